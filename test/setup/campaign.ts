/** Whether everything is tried: `CHAPKIT_TEST_CAMPAIGN=1`. Tests of every day try a part of what takes long. */
export const isCampaign = process.env.CHAPKIT_TEST_CAMPAIGN === '1'

/** How many cases a long property is tried with: a quarter of them in `npm test`. */
export const cases = (all: number): number => (isCampaign ? all : Math.ceil(all / 4))
