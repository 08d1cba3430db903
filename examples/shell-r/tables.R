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

# Periods as numbers: `index` grows by one from each to the next. Months are written 2024-01 or 202401; weeks 2024-W05, 2024W5,
# DHIS2's 2024SunW5 and so on, or 2024-S05 (chap-core's: from the Sunday with which ISO week 5 ends). Both can be a first and a
# last day: 2023-12-25/2023-12-31.
read_periods <- function(text, path) {
  days <- read_days(as.character(text))
  first <- days$first
  last <- days$last
  is_month <- format(first, "%d") == "01" & format(last + 1, "%d") == "01" & last - first < 31
  is_week <- last - first == 6
  other <- which(!((is_month | is_week) %in% TRUE))
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
    month <- as.integer(format(first, "%m")) - 1
    return(list(unit = "month", index = year_of(first) * 12 + month))
  }
  # Day 0 is 1970-01-01, a Thursday.
  list(unit = "week", index = (as.integer(first) + 3L) %/% 7)
}

# The place of periods in the year, from 0 to 1.
season_of <- function(index, unit) {
  if (unit == "month") return((index %% 12 + 0.5) / 12)
  thursday <- as.Date(index * 7, origin = "1970-01-01")
  as.POSIXlt(thursday)$yday / 366
}

# The first and the last day of each period, NA where it is none.
read_days <- function(text) {
  first <- last <- rep(as.Date(NA), length(text))
  month <- grep("^[0-9]{4}-?[0-9]{2}$", text)
  first[month] <- to_date(sub("^(.{4})-?(..)$", "\\1-\\2-01", text[month]))
  next_month <- first[month] + 31
  last[month] <- next_month - as.integer(format(next_month, "%d"))

  week <- grep("^[0-9]{4}(-?(Wed|Thu|Fri|Sat|Sun)?W|-S)[0-9]{1,2}$", text)
  first[week] <- first_of_week(
    as.integer(substr(text[week], 1, 4)),
    gsub("[0-9-]", "", text[week]),
    as.integer(sub("^.*[WS]", "", text[week]))
  )
  last[week] <- first[week] + 6

  range <- grep("^[0-9]{4}-[0-9]{2}-[0-9]{2}/[0-9]{4}-[0-9]{2}-[0-9]{2}$", text)
  first[range] <- to_date(substr(text[range], 1, 10))
  last[range] <- to_date(substr(text[range], 12, 21))
  list(first = first, last = last)
}

# NA for a day that the month does not have.
to_date <- function(text) as.Date(text, format = "%Y-%m-%d")

year_of <- function(day) as.integer(format(day, "%Y"))

# The first day of weeks. Week 1 is the one with 4 January, whichever day weeks begin on.
first_of_week <- function(year, mark, number) {
  # Days before Thursday 1970-01-01 on which a week begins. A week of chap-core's begins 6 days after the Monday of its number.
  before <- c(W = 3L, S = 3L, WedW = 1L, ThuW = 0L, FriW = 6L, SatW = 5L, SunW = 4L)[mark]
  fourth <- as.integer(to_date(sprintf("%04d-01-04", year)))
  first <- (fourth + before) %/% 7L * 7L - before + 7L * (number - 1L)
  first <- as.Date(unname(first), origin = "1970-01-01")
  # A week belongs to the year that has its fourth day.
  first[number < 1 | year_of(first + 3) != year] <- NA
  first + ifelse(mark == "S", 6, 0)
}
