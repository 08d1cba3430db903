# Rscript train.R DATA MODEL CONFIG: keeps the counts of the last years.
source("common.R")

arguments <- commandArgs(trailingOnly = TRUE)
data <- read_table(arguments[1], c("time_period", "location", "disease_cases"))
periods <- read_periods(data$time_period)
cases <- suppressWarnings(as.numeric(data$disease_cases))
wrong <- which(is.na(cases) & !is.na(data$disease_cases) & data$disease_cases != "NA")
if (length(wrong) > 0) {
  stop("Expected numbers in disease_cases, got ", data$disease_cases[wrong[1]], call. = FALSE)
}

n_years <- read_option(arguments[3], "n_years", 10)
used <- !is.na(cases) & periods$year > max(periods$year) - n_years
if (!any(used)) stop("No count of the last ", n_years, " years is known", call. = FALSE)
model <- data.frame(location = data$location, periods, cases = cases)[used, ]
saveRDS(model, arguments[2])
message(nrow(model), " counts of ", length(unique(model$location)), " locations")
