# Reading tables, periods and options.

# A table of text: codes such as 007 stay what they are, and an empty cell is NA.
read_table <- function(path, columns) {
  table <- read.csv(path, colClasses = "character", check.names = FALSE, na.strings = "",
    encoding = "UTF-8")
  missing <- setdiff(columns, names(table))
  if (length(missing) > 0) {
    stop("Expected the columns ", toString(columns), " in ", basename(path), "; missing: ",
      toString(missing), call. = FALSE)
  }
  table
}

# A table with its numbers, and for each row `index`, in which the next period is one more, and two waves of the season.
read_rows <- function(path, with_cases) {
  columns <- c("time_period", "location", "rainfall", "mean_temperature",
    if (with_cases) "disease_cases")
  table <- read_table(path, columns)
  rows <- table[columns]
  for (name in columns[-(1:2)]) rows[[name]] <- as.numeric(rows[[name]])
  period <- read_periods(rows$time_period)
  rows$index <- period$index
  rows$wave_sin <- sin(2 * pi * period$season)
  rows$wave_cos <- cos(2 * pi * period$season)
  rows
}

# Months and weeks: their number, in which the next one is one more, and their place in the year from 0 to 1. Months are
# written 2024-01 or 202401; weeks 2024-W05, 2024W5, 2024SunW5 and so on, or 2024-S05 (chap-core's: from the Sunday with which
# ISO week 5 ends). Both can be a first and a last day: 2023-12-25/2023-12-31.
read_periods <- function(text) {
  days <- read_days(text)
  first <- days$first
  last <- days$last
  monthly <- format(first, "%d") == "01" & format(last + 1, "%d") == "01" & last - first < 31
  weekly <- last - first == 6
  wrong <- which(!((monthly | weekly) %in% TRUE))
  if (length(wrong) > 0) {
    stop("Expected months such as 2024-01 or weeks such as 2024-W05 in time_period, got ",
      text[wrong[1]], call. = FALSE)
  }
  if (any(weekly) && !all(weekly)) {
    stop("Expected only months or only weeks in time_period, got both", call. = FALSE)
  }
  month <- as.integer(format(first, "%m")) - 1L
  # The week of its fourth day. Day 0 is 1970-01-01, a Thursday.
  week <- as.integer(format(first + 3, "%V")) - 1L
  list(
    index = ifelse(weekly, (as.integer(first) + 3L) %/% 7L, year_of(first) * 12L + month),
    season = ifelse(weekly, week / 52.18, month / 12)
  )
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

# An option of config.yml, wherever it stands there.
read_option <- function(path, name, default) {
  lines <- readLines(path, warn = FALSE)
  pattern <- paste0("^ *", name, ": *")
  found <- grep(pattern, lines, value = TRUE)
  if (length(found) == 0) default else as.numeric(sub(pattern, "", found[1]))
}
