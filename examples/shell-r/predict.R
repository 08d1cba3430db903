# Rscript predict.R HISTORIC FUTURE OUTPUT: samples for each period and location of FUTURE.
source("tables.R")
source("model.R")

arguments <- commandArgs(trailingOnly = TRUE)
options <- read_options()
n_samples <- number_option(options, "n_samples", 100)
model <- readRDS("model.rds")

read_rows <- function(path, with_cases) {
  columns <- c("time_period", "location", "rainfall", if (with_cases) "disease_cases")
  table <- read_table(path, columns)
  periods <- read_periods(table$time_period, path)
  if (nrow(table) > 0 && periods$unit != model$unit) {
    stop("The model was trained with ", model$unit, "s, and ", path, " has ", periods$unit, "s",
      call. = FALSE)
  }
  data.frame(
    time_period = table$time_period,
    location = table$location,
    index = periods$index,
    cases = if (with_cases) numbers(table, "disease_cases", path, least = 0)
    else rep(NA_real_, nrow(table)),
    rainfall = numbers(table, "rainfall", path, least = 0)
  )
}

future <- read_rows(arguments[2], with_cases = FALSE)
historic <- read_rows(arguments[1], with_cases = TRUE)
# The folder is that of the training: its data are a history, too.
if (nrow(historic) == 0) historic <- read_rows("data.csv", with_cases = TRUE)

# Samples of counts for the rows of one location, a row for each sample.
forecast <- function(location, rows) {
  known <- model$locations[[location]]
  if (is.null(known$fit)) {
    seasons <- season_of(rows$index, model$unit)
    from <- if (length(known$counts) >= fewest_counts) known else model
    drawn <- lapply(seasons, function(season) {
      draw_counts(from$counts, from$seasons, season, n_samples)
    })
    return(do.call(cbind, drawn))
  }
  past <- historic[historic$location == location & historic$index < min(rows$index), ]
  counted <- past$index[!is.na(past$cases)]
  all <- rbind(past, rows)
  series <- make_series(all)
  # Counts that are not known yet are drawn, too, up to the first period that is asked for.
  begin <- if (length(counted) > 0) max(counted) - series$first + 2 else 1
  season <- season_of(series$first + seq_along(series$z) - 1, model$unit)
  z <- simulate_location(known$fit, series, season, begin, model$n_lags, n_samples)
  wanted <- rows$index - series$first + 1 - (begin - 1)
  round(expm1(z[, wanted, drop = FALSE]))
}

set.seed(number_option(options, "seed", 1))
samples <- matrix(NA_real_, nrow(future), n_samples)
colnames(samples) <- paste0("sample_", seq_len(n_samples) - 1)
# In an order that depends on nothing but the names.
for (location in sort(unique(future$location), method = "radix")) {
  at <- which(future$location == location)
  samples[at, ] <- t(forecast(location, future[at, ]))
}

write.csv(
  data.frame(future[c("time_period", "location")], samples, check.names = FALSE),
  arguments[3],
  row.names = FALSE
)
message(nrow(future), " rows with ", n_samples, " samples")
