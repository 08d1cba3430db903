import { z } from 'zod'

/** Labels of an entity: up to 50, each of letters, digits, `-` and `_`, at most 100 characters, none twice. */
export const Tags = z
  .array(
    z
      .string()
      .min(1)
      .max(100)
      .regex(/^[\p{L}\p{N}_-]+$/u)
      .meta({ description: 'Letters, digits, - and _' }),
  )
  .max(50)
  .meta({ uniqueItems: true })
