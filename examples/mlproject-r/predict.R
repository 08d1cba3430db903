# Rscript predict.R FUTURE MODEL OUTPUT CONFIG: draws from the counts of the same season, a period before and after.
source("common.R")

arguments <- commandArgs(trailingOnly = TRUE)
future <- read_table(arguments[1], c("time_period", "location"))
model <- readRDS(arguments[2])
n_samples <- read_option(arguments[4], "n_samples", 100)
set.seed(read_option(arguments[4], "seed", 1))

draw <- function(location, part, parts) {
  distance <- abs(model$part - part)
  own <- model$location == location
  near <- pmin(distance, parts - distance) <= 1
  # A location with too little of its own is taken to be like all of them.
  counts <- model$cases[own & near]
  if (length(counts) < 3) counts <- model$cases[own]
  if (length(counts) < 3) counts <- model$cases[near]
  if (length(counts) < 3) counts <- model$cases
  counts[sample.int(length(counts), n_samples, replace = TRUE)]
}

periods <- read_periods(future$time_period)
samples <- t(mapply(draw, future$location, periods$part, periods$parts))
dim(samples) <- c(nrow(future), n_samples)
colnames(samples) <- paste0("sample_", seq_len(n_samples) - 1)
write.csv(
  data.frame(future[c("time_period", "location")], samples, check.names = FALSE),
  arguments[3],
  row.names = FALSE
)
