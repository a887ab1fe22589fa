"""Hours in forms: a line for each day of the week, with room for a break, and a date with hours of its own.

Used by the pages of staff and of rooms; `week` of macros.html shows the lines, dashboard/dates.html the dates.
"""

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

from web.forms import Form
from web.times import day_or

SPANS = 2
"""How many stretches a day's line has: a morning and an afternoon."""
FIELDS = {"/weekly_hours": "weekly_hours"}
"""Where Form.absorb puts what the API says of a week, for `at_their_days`."""
_OF_A_DAY = re.compile(r"This weekday ([0-6]): (.+)")


def form_of(weekly_hours: Sequence[dict[str, Any]], version: int) -> Form:
    """The lines as they stand."""
    form = Form({"version": str(version)})
    taken = [0] * 7
    for item in sorted(weekly_hours, key=lambda hours: (hours["weekday"], hours["opens"])):
        day = item["weekday"]
        form.values[f"opens-{day}-{taken[day]}"] = item["opens"][:5]
        form.values[f"closes-{day}-{taken[day]}"] = item["closes"][:5]
        taken[day] += 1
    if max(taken) > SPANS:  # set through the API; the form has no room for them and would drop them
        form.faults[""] = "Some days have more than two stretches. Saving here keeps the first two."
    return form


def typed(form: Form) -> list[dict[str, Any]]:
    """The lines as the API takes them; notes faults in the form."""
    hours = []
    for day in range(7):
        for span in range(SPANS):
            opens, closes = form.get(f"opens-{day}-{span}"), form.get(f"closes-{day}-{span}")
            if opens and closes:
                hours.append({"weekday": day, "opens": opens, "closes": closes})
            elif opens or closes:
                form.faults[f"day-{day}"] = "Both times are needed."
    return hours


def at_their_days(form: Form) -> None:
    """Moves the API's fault in the weekly hours to the day that it is about, which the API names by number."""
    fault = form.faults.pop("weekly_hours", None)
    if fault is None:
        return
    if found := _OF_A_DAY.fullmatch(fault):
        form.faults[f"day-{found[1]}"] = found[2][0].upper() + found[2][1:]
    else:
        form.faults[""] = fault


def special_date(form: Form) -> dict[str, Any]:
    """A date and its hours, none where it is closed; notes faults in the form."""
    date = day_or(form.get("date"), dt.date.min)
    if date == dt.date.min:
        form.faults["date"] = "This must be a date."
    opens, closes = form.get("opens"), form.get("closes")
    if bool(opens) != bool(closes):
        form.faults["opens"] = "Both times are needed; leave both empty for a day without hours."
    intervals = [{"opens": opens, "closes": closes}] if opens and closes else []
    return {"date": date.isoformat(), "intervals": intervals}
