# Rscript predict.R HISTORIC FUTURE MODEL CONFIG OUTPUT: samples for each row of FUTURE.
source("tables.R")

arguments <- commandArgs(trailingOnly = TRUE)
historic <- read_rows(arguments[1], with_cases = TRUE)
future <- read_rows(arguments[2], with_cases = FALSE)
model <- readRDS(arguments[3])
n_samples <- read_option(arguments[4], "n_samples", 100)
set.seed(read_option(arguments[4], "seed", 1))

fill <- function(rows) {
  for (name in names(model$usual)) rows[[name]][is.na(rows[[name]])] <- model$usual[[name]]
  rows
}

# Samples of counts for the rows of one location: what the regression expects, moved by how far the last three known counts
# lay off it, and by one of its misses.
forecast <- function(location, rows) {
  fit <- model$locations[[location]]
  if (is.null(fit)) fit <- model$all
  expected <- predict(fit, fill(rows))
  past <- historic[historic$location == location & !is.na(historic$disease_cases), ]
  past <- tail(past[order(past$index), ], 3)
  if (nrow(past) > 0) {
    off <- mean(log1p(past$disease_cases) - predict(fit, fill(past)))
    # The further ahead, the less it matters how things are now.
    expected <- expected + off * 0.8^pmax(0, rows$index - max(past$index))
  }
  misses <- sample(residuals(fit), nrow(rows) * n_samples, replace = TRUE)
  samples <- matrix(expected + misses, nrow(rows), n_samples)
  pmax(round(expm1(samples)), 0)
}

samples <- matrix(0, nrow(future), n_samples)
colnames(samples) <- paste0("sample_", seq_len(n_samples) - 1)
for (location in unique(future$location)) {
  at <- which(future$location == location)
  samples[at, ] <- forecast(location, future[at, ])
}

write.csv(
  data.frame(future[c("time_period", "location")], samples, check.names = FALSE),
  arguments[5],
  row.names = FALSE
)
message(nrow(future), " rows with ", n_samples, " samples")
