"""An oracle of cron: Debian's cron, played minute by minute, and cases to ask it.

It shares nothing with `nborch.schedules`: it reads fields by trying every value, and
finds times by living through every minute, with the virtual clock of Debian's cron.
"""

import calendar
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN"]
MONTHS += ["JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
MACROS = {"@daily": "0 0 * * *", "@hourly": "0 * * * *", "@weekly": "0 0 * * 0"}

#: Around a change of the clock forward and one backward, with room for whole months.
ZONES = {
    "Europe/Berlin": ("2026-03-29", "2026-10-25"),
    "America/New_York": ("2026-03-08", "2026-11-01"),
    # Half an hour.
    "Australia/Lord_Howe": ("2026-10-04", "2026-04-05"),
    # No midnight.
    "Africa/Cairo": ("2026-04-24", "2026-10-30"),
    # Two midnights, and none.
    "America/Havana": ("2026-03-08", "2026-11-01"),
    "America/Sao_Paulo": ("2018-11-04", "2018-02-18"),
    # The shift is called winter time, and comes with the moon.
    "Africa/Casablanca": ("2026-03-22", "2026-02-15"),
}

#: Zone, day, expression, and when it is due on that day and the next, in UTC.
CASES = [
    ("Europe/Berlin", "2026-03-29", "30 2 * * *", "29 01:00, 30 00:30"),
    ("Europe/Berlin", "2026-03-29", "0,30 2 * * *", "29 01:00, 30 00:00, 30 00:30"),
    (
        "Europe/Berlin",
        "2026-03-29",
        "0 */2 * * *",
        "28 23:00, 29 02:00, 29 04:00, 29 06:00",
    ),
    ("Europe/Berlin", "2026-03-29", "*/30 2 * * *", "30 00:00, 30 00:30"),
    (
        "Europe/Berlin",
        "2026-03-29",
        "0 * * * *",
        "28 23:00, 29 00:00, 29 01:00, 29 02:00",
    ),
    ("Europe/Berlin", "2026-03-29", "0 3 * * *", "29 01:00, 30 01:00"),
    ("Europe/Berlin", "2026-10-25", "30 2 * * *", "25 00:30, 26 01:30"),
    (
        "Europe/Berlin",
        "2026-10-25",
        "*/30 2 * * *",
        "25 00:00, 25 00:30, 25 01:00, 25 01:30",
    ),
    (
        "Europe/Berlin",
        "2026-10-25",
        "0 * * * *",
        "24 22:00, 24 23:00, 25 00:00, 25 01:00, 25 02:00",
    ),
    (
        "Europe/Berlin",
        "2026-10-25",
        "0 1-3 * * *",
        "24 23:00, 25 00:00, 25 02:00, 26 00:00",
    ),
    ("America/New_York", "2026-03-08", "30 2 * * *", "8 07:00, 9 06:30"),
    ("America/New_York", "2026-11-01", "30 1 * * *", "1 05:30, 2 06:30"),
    (
        "America/New_York",
        "2026-11-01",
        "0 */1 * * *",
        "1 04:00, 1 05:00, 1 06:00, 1 07:00",
    ),
    ("Africa/Cairo", "2026-04-24", "@daily", "23 22:00, 24 21:00"),
    ("America/Havana", "2026-11-01", "@daily", "1 04:00, 2 05:00"),
    ("America/Sao_Paulo", "2018-11-04", "15 0 * * *", "4 03:00, 5 02:15"),
    ("Australia/Lord_Howe", "2026-10-04", "15 2 * * *", "3 15:30, 4 15:15"),
    ("Australia/Lord_Howe", "2026-04-05", "45 1 * * *", "4 14:45, 5 15:15"),
]


def expected(zone, day, told):
    """Return the start of a case's day in UTC, and its times."""
    begin = datetime.fromisoformat(day)
    midnight = begin.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    times = []
    for each in told.split(", "):
        date, time = each.split()
        month = begin.month
        found = datetime(begin.year, month, int(date), tzinfo=UTC)
        hour, minute = map(int, time.split(":"))
        times.append(found.replace(hour=hour, minute=minute))
    # The day before may be its beginning in UTC.
    return min(midnight, times[0]) - MINUTE, times


class Expression:
    """A cron expression of five fields, read by trying."""

    def __init__(self, text):
        fields = MACROS.get(text, text).upper().split()
        self.minute_text, self.hour_text, self.day, month, self.weekday = fields
        self.minutes = self._plain(self.minute_text, 0, 59)
        self.hours = self._plain(self.hour_text, 0, 23)
        self.months = self._plain(month, 1, 12, MONTHS)
        self.is_wild = self.minute_text[0] == "*" or self.hour_text[0] == "*"

    def _plain(self, text, low, high, names=()):
        """Return the values of a field, by asking each value for each item."""

        def number(word):
            return names.index(word) + low if word in names else int(word)

        found = set()
        for item in text.split(","):
            span, _, step = item.partition("/")
            if span == "*":
                order = list(range(low, high + 1))
            elif "-" in span:
                first, last = map(number, span.split("-"))
                order = [first]
                while order[-1] != last:
                    order.append(order[-1] + 1 if order[-1] < high else low)
            elif step:
                order = list(range(number(span), high + 1))
            else:
                order = [number(span)]
            found.update(order[:: int(step or 1)])
        return found

    def has_day(self, date):
        """Tell whether the date fits."""
        if date.month not in self.months:
            return False
        fits_day = any(self._fits_day(item, date) for item in self.day.split(","))
        fits_weekday = any(
            self._fits_weekday(item, date) for item in self.weekday.split(",")
        )
        if self.day[0] == "*" or self.weekday[0] == "*":
            return fits_day and fits_weekday
        return fits_day or fits_weekday

    def _fits_day(self, item, date):
        days = month_of(date)
        working = [day for day in days if day.isoweekday() <= 5]
        if item == "L":
            return date == days[-1]
        if item == "LW":
            return date == working[-1]
        if item.startswith("L-"):
            back = int(item[2:])
            return back < len(days) and date == days[-1 - back]
        if item.endswith("W"):
            wanted = int(item[:-1])
            if wanted > len(days):
                return False
            return date == min(working, key=lambda day: abs(day.day - wanted))
        return date.day in self._plain(item, 1, 31)

    def _fits_weekday(self, item, date):
        same = [day for day in month_of(date) if day.weekday() == date.weekday()]
        today = DAYS[date.isoweekday() % 7]

        def is_today(word):
            return word in (today, str(DAYS.index(today))) or (word, today) == (
                "7",
                "SUN",
            )

        if item.endswith("L"):
            return is_today(item[:-1]) and date == same[-1]
        if "#" in item:
            word, nth = item.split("#")
            return is_today(word) and same.index(date) + 1 == int(nth)
        if item == "7":
            return today == "SUN"
        return DAYS.index(today) in self._plain(item, 0, 6, DAYS)


def month_of(date):
    """Return all days of the date's month."""
    _, length = calendar.monthrange(date.year, date.month)
    return [date.replace(day=day) for day in range(1, length + 1)]


class Cron:
    """Debian's cron, awake from one time to another in a zone.

    Its main loop compares the clock with a virtual one, in minutes, and decides by the
    difference which jobs it looks for, and at which virtual minutes. That does not
    depend on the jobs, so it is kept.
    """

    def __init__(self, zone, start, end):
        self.zone = ZoneInfo(zone)
        #: By local day: the time, the virtual hour and minute, and for which jobs.
        self.looks = defaultdict(list)
        self._live(start, end)

    def _clock(self, now):
        """Return the minutes that the local clock shows."""
        local = now.astimezone(self.zone).replace(tzinfo=None)
        return (local - datetime(1970, 1, 1)) // MINUTE

    def _live(self, start, end):
        virtual = self._clock(start - MINUTE)
        now = start
        while now < end:
            clock = self._clock(now)
            ahead = clock - virtual
            if ahead == 1:
                virtual = clock
                self._look(now, virtual, wild=True, fixed=True)
            elif 1 < ahead <= 5:
                # Woken late: everything, for each minute.
                while virtual < clock:
                    virtual += 1
                    self._look(now, virtual, wild=True, fixed=True)
            elif 5 < ahead <= 180:
                # Put forward: what was skipped and names its time is run now.
                self._look(now, clock, wild=True, fixed=False)
                while virtual < clock:
                    virtual += 1
                    self._look(now, virtual, wild=False, fixed=True)
            elif -180 < ahead <= 0:
                # Put back: what names its time has been run.
                self._look(now, clock, wild=True, fixed=False)
            else:
                virtual = clock
                self._look(now, virtual, wild=True, fixed=True)
            now += MINUTE

    def _look(self, now, virtual, *, wild, fixed):
        at = datetime(1970, 1, 1) + virtual * MINUTE
        self.looks[at.date()].append((now, at.hour, at.minute, wild, fixed))

    def times(self, text):
        """Return when jobs of an expression are run."""
        expression = Expression(text)
        found = set()
        for day, looks in self.looks.items():
            if expression.has_day(day):
                found.update(
                    now
                    for now, hour, minute, wild, fixed in looks
                    if minute in expression.minutes
                    and hour in expression.hours
                    and (wild if expression.is_wild else fixed)
                )
        return sorted(found)


def random_expression(rng):
    """Return an expression of five fields, drawn so that most have some times."""

    def star_or(share, text):
        return "*" if rng.random() < share else text

    # Most are in the hours in which clocks are changed.
    hour = random_field(rng, 0, rng.choice([3, 3, 23]))
    day = random_field(rng, 1, 31)
    if rng.random() < 0.2:
        day = rng.choice(["L", "LW", "L-3", "15W", "1W", "31W", "30W", "1,L"])
    weekday = random_field(rng, 0, 6, DAYS)
    if rng.random() < 0.25:
        weekday = rng.choice(
            ["5L", "FRIL", "5#2", "SUN#1", "7", "FRI-MON", "1#5", "0L"]
        )
    fields = [
        star_or(0.1, random_field(rng, 0, 59)),
        star_or(0.2, hour),
        star_or(0.6, day),
        star_or(0.85, random_field(rng, 1, 12, MONTHS)),
        star_or(0.6, weekday),
    ]
    return " ".join(fields)


def random_field(rng, low, high, names=()):
    """Return a value, a list, a range or steps."""

    def value():
        drawn = rng.randint(low, high)
        return names[drawn - low] if names and rng.random() < 0.5 else str(drawn)

    kind = rng.random()
    if kind < 0.5:
        return value()
    if kind < 0.6:
        return ",".join(value() for _ in range(rng.randint(2, 4)))
    if kind < 0.75:
        return f"{value()}-{value()}"
    if kind < 0.85:
        return f"{value()}-{value()}/{rng.randint(1, 5)}"
    return f"*/{rng.randint(2, (high - low + 1) // 2)}"
