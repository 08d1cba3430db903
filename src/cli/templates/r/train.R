# Rscript train.R DATA MODEL CONFIG: fits a regression for each location, and saves them.
source("tables.R")

arguments <- commandArgs(trailingOnly = TRUE)
data <- read_rows(arguments[1], with_cases = TRUE)
known <- data[!is.na(data$disease_cases), ]
if (nrow(known) == 0) stop("No row of the data has a known count in disease_cases", call. = FALSE)

# Unknown weather is taken to be as usual.
usual <- c(
  rainfall = mean(data$rainfall, na.rm = TRUE),
  mean_temperature = mean(data$mean_temperature, na.rm = TRUE)
)
usual[is.na(usual)] <- 0

fit <- function(rows) {
  for (name in names(usual)) rows[[name]][is.na(rows[[name]])] <- usual[[name]]
  lm(log1p(disease_cases) ~ wave_sin + wave_cos + rainfall + mean_temperature, data = rows)
}

# What is written with message() is in the log of the job while it runs.
message(nrow(known), " known counts of ", length(unique(known$location)), " locations")
by_location <- split(known, known$location)
# Twenty counts are the least that five coefficients can be learned from; the other locations get the fit of all.
enough <- Filter(function(rows) nrow(rows) >= 20, by_location)
model <- list(usual = usual, all = fit(known), locations = lapply(enough, fit))
for (name in setdiff(names(by_location), names(enough))) {
  message(name, " has ", nrow(by_location[[name]]), " known counts, too few for a fit of its own")
}

# Whatever lies in the folder now is there when the model is asked.
saveRDS(model, arguments[2])
