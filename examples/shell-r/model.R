# The model of one location: a linear regression of z = log(1 + cases) on the season, past z and past rainfall.
#
# A series is a list with `first`, the index of its first period, and a value for each period from there: `z`, `rain` and
# `season`. Unknown counts are NA in `z`; `rain` is log(1 + rainfall) and complete.

# Fewer known counts than this are not described by their own season.
fewest_counts <- 6

# The series of a location from rows of a table, complete from `from` to `to`.
make_series <- function(rows, from = min(rows$index), to = max(rows$index)) {
  at <- rows$index - from + 1
  length <- to - from + 1
  z <- rain <- rep(NA_real_, length)
  z[at] <- log1p(rows$cases)
  rain[at] <- log1p(rows$rainfall)
  rain[is.na(rain)] <- if (all(is.na(rain))) 0 else mean(rain, na.rm = TRUE)
  list(first = from, z = z, rain = rain)
}

# Two waves in a year.
waves <- function(season) {
  angle <- 2 * pi * season
  cbind(sin(angle), cos(angle), sin(2 * angle), cos(2 * angle))
}

# Values `k` periods before.
lagged <- function(values, k) c(rep(NA_real_, k), values)[seq_along(values)]

# Fits the regression; NULL where there are fewer than three known rows for each coefficient.
fit_location <- function(series, season, n_lags) {
  lags <- seq_len(n_lags)
  x <- cbind(
    waves(season),
    do.call(cbind, lapply(lags, function(k) lagged(series$z, k))),
    do.call(cbind, lapply(lags, function(k) lagged(series$rain, k)))
  )
  known <- complete.cases(series$z, x)
  if (sum(known) == 0) return(NULL)
  x <- x[known, , drop = FALSE]
  z <- series$z[known]
  # What never changes tells nothing.
  used <- which(apply(x, 2, function(values) max(values) - min(values) > 1e-9))
  if (length(z) < 3 * (length(used) + 1)) return(NULL)
  fitted <- if (length(used) > 0) lm(z ~ x[, used, drop = FALSE]) else lm(z ~ 1)
  coefficients <- rep(0, ncol(x) + 1)
  coefficients[c(1, used + 1)] <- coef(fitted)
  coefficients[is.na(coefficients)] <- 0
  list(
    coefficients = coefficients,
    # A regression misses what it was fitted to by less than what comes.
    misses = residuals(fitted) * sqrt(length(z) / fitted$df.residual),
    usual = mean(z),
    # Three times the largest count that was seen.
    most = log1p(3 * max(expm1(z), 1)),
    uses_rain = any(used > 4 + n_lags)
  )
}

# Samples of z, a row for each and a column for each period of the series from `begin` on. Each of them goes its own way:
# what is drawn for a period is the past of the next one.
simulate_location <- function(fit, series, season, begin, n_lags, n_samples) {
  steps <- begin:length(series$z)
  z <- matrix(NA_real_, n_samples, length(series$z))
  z[, seq_len(begin - 1)] <- rep(series$z[seq_len(begin - 1)], each = n_samples)
  z[is.na(z)] <- fit$usual
  rain <- series$rain
  before <- function(step) step - seq_len(n_lags)
  for (step in steps) {
    past <- matrix(fit$usual, n_samples, n_lags)
    there <- before(step) >= 1
    past[, there] <- z[, before(step)[there]]
    past_rain <- rain[pmax(before(step), 1)]
    mean <- fit$coefficients[1] +
      sum(waves(season[step]) * fit$coefficients[2:5]) +
      past %*% fit$coefficients[5 + seq_len(n_lags)] +
      sum(past_rain * fit$coefficients[5 + n_lags + seq_len(n_lags)])
    miss <- fit$misses[sample.int(length(fit$misses), n_samples, replace = TRUE)]
    z[, step] <- pmin(pmax(mean + miss, 0), fit$most)
  }
  z[, steps, drop = FALSE]
}

# Counts of the same season (a month before and after), for a location that has too little to fit; of any season where
# those are few.
draw_counts <- function(counts, seasons, season, n_samples) {
  distance <- abs(seasons - season)
  near <- counts[pmin(distance, 1 - distance) < 1.6 / 12]
  from <- if (length(near) >= fewest_counts) near else counts
  from[sample.int(length(from), n_samples, replace = TRUE)]
}
