# Rscript train.R DATA: fits a model for each location and saves them all in model.rds.
source("tables.R")
source("model.R")

path <- commandArgs(trailingOnly = TRUE)[1]
options <- read_options()
n_lags <- number_option(options, "n_lags", 3)

data <- read_table(path, c("time_period", "location", "disease_cases", "rainfall"))
periods <- read_periods(data$time_period, path)
rows <- data.frame(
  location = data$location,
  index = periods$index,
  season = season_of(periods$index, periods$unit),
  cases = numbers(data, "disease_cases", path, least = 0),
  rainfall = numbers(data, "rainfall", path, least = 0)
)
twice <- which(duplicated(rows[c("location", "index")]))
if (length(twice) > 0) {
  stop(
    "Location ", rows$location[twice[1]], " has the period ", data$time_period[twice[1]],
    " twice in ", path,
    call. = FALSE
  )
}
if (all(is.na(rows$cases))) stop("No count is known in disease_cases of ", path, call. = FALSE)

# Every location has the same periods, from the first to the last of the table.
span <- range(rows$index)
season <- season_of(seq(span[1], span[2]), periods$unit)

locations <- sort(unique(rows$location), method = "radix")
models <- lapply(locations, function(location) {
  own <- rows[rows$location == location, ]
  series <- make_series(own, span[1], span[2])
  fit <- fit_location(series, season, n_lags)
  known <- own[!is.na(own$cases), ]
  message(
    location, ": ", nrow(known), " known counts, ",
    if (is.null(fit)) "too few for a regression"
    else if (fit$uses_rain) "with rainfall"
    else "without rainfall, which never changes"
  )
  list(fit = fit, counts = known$cases, seasons = known$season)
})
names(models) <- locations

known <- rows[!is.na(rows$cases), ]
saveRDS(
  list(
    unit = periods$unit,
    n_lags = n_lags,
    locations = models,
    counts = known$cases,
    seasons = known$season
  ),
  "model.rds"
)
