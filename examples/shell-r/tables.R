# Options, tables and periods, for train.R and predict.R. Base R only.

# The options in the config.yml of a service: lines such as `n_lags: 3`. Answers texts by name.
read_options <- function(path = "config.yml") {
  lines <- readLines(path, warn = FALSE)
  parts <- regmatches(lines, regexec("^([A-Za-z][A-Za-z0-9_]*): +(.*[^ ]) *$", lines))
  parts <- parts[lengths(parts) == 3]
  values <- lapply(parts, function(part) part[3])
  names(values) <- vapply(parts, function(part) part[2], "")
  values
}

# An option that is a number.
number_option <- function(options, name, default) {
  if (is.null(options[[name]])) return(default)
  value <- suppressWarnings(as.numeric(options[[name]]))
  if (is.na(value)) {
    stop("Expected a number as ", name, " in config.yml, got ", options[[name]], call. = FALSE)
  }
  value
}

# A CSV file with every column as text, so that a code such as 007 stays one. Empty cells are NA. A history without rows may
# be without columns, too.
read_table <- function(path, columns) {
  if (identical(readLines(path, n = 1, warn = FALSE), "")) return(data.frame())
  table <- read.csv(path, colClasses = "character", na.strings = "", check.names = FALSE)
  missing <- setdiff(columns, names(table))
  if (nrow(table) > 0 && length(missing) > 0) {
    stop(
      "Expected the columns ", toString(columns), " in ", path, "; missing: ", toString(missing),
      " (it has ", toString(names(table)), ")",
      call. = FALSE
    )
  }
  unnamed <- which(is.na(table$location) | is.na(table$time_period))
  if (length(unnamed) > 0) {
    stop("Row ", unnamed[1], " of ", path, " has no location or no time_period", call. = FALSE)
  }
  table
}

# A column as numbers; NA where there is none. `least` is the smallest that makes sense.
numbers <- function(table, name, path, least = -Inf) {
  text <- table[[name]]
  text[text %in% "NA"] <- NA
  values <- suppressWarnings(as.numeric(text))
  wrong <- which(!is.na(text) & (!is.finite(values) | values < least))
  if (length(wrong) > 0) {
    stop(
      "Expected numbers", if (is.finite(least)) paste(" from", least), " in column ", name, " of ",
      path, ", got \"", text[wrong[1]], "\" in row ", wrong[1],
      call. = FALSE
    )
  }
  values
}

# Periods as numbers: `index` grows by one from each to the next. Months are written 2024-01 or 202401, weeks 2024-W05,
# 2024W05 or 2024-01-29/2024-02-04.
read_periods <- function(text, path) {
  text <- as.character(text)
  is_month <- grepl("^[0-9]{4}-?(0[1-9]|1[0-2])$", text)
  is_week <- grepl("^[0-9]{4}-?W[0-9]{1,2}$", text)
  is_range <- grepl("^[0-9]{4}-[0-9]{2}-[0-9]{2}/[0-9]{4}-[0-9]{2}-[0-9]{2}$", text)
  other <- which(!(is_month | is_week | is_range))
  if (length(other) > 0) {
    stop(
      "Expected months such as 2024-01 or weeks such as 2024-W05 in time_period of ", path,
      ", got \"", text[other[1]], "\"",
      call. = FALSE
    )
  }
  if (any(is_month) && !all(is_month)) {
    stop("Expected only months or only weeks in time_period of ", path, ", got both", call. = FALSE)
  }
  if (all(is_month)) {
    month <- as.integer(sub("^.*(..)$", "\\1", text)) - 1
    return(list(unit = "month", index = as.integer(substr(text, 1, 4)) * 12 + month))
  }
  monday <- rep(NA_integer_, length(text))
  monday[is_week] <- monday_of(
    as.integer(substr(text[is_week], 1, 4)), as.integer(sub("^.*W", "", text[is_week]))
  )
  # A range that begins on another day belongs to the week in which it begins.
  first <- as.integer(as.Date(substr(text[is_range], 1, 10)))
  monday[is_range] <- first - (first + 3L) %% 7L
  list(unit = "week", index = (monday + 3L) / 7)
}

# The place of periods in the year, from 0 to 1.
season_of <- function(index, unit) {
  if (unit == "month") return((index %% 12 + 0.5) / 12)
  thursday <- as.Date(index * 7, origin = "1970-01-01")
  as.POSIXlt(thursday)$yday / 366
}

# The Monday of an ISO week, in days since 1970-01-01, which was a Thursday. Week 1 is that with January 4.
monday_of <- function(year, week) {
  fourth <- as.integer(as.Date(sprintf("%04d-01-04", year)))
  fourth - (fourth + 3L) %% 7L + 7L * (week - 1L)
}
