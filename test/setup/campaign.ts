/** How many cases a long property is tried with: a quarter of them in `npm test`, all with `CHAPKIT_TEST_CAMPAIGN=1`. */
export const cases = (all: number): number =>
  process.env.CHAPKIT_TEST_CAMPAIGN === '1' ? all : Math.ceil(all / 4)
