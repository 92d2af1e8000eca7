"""How secrets stand with their rotation: a table with a timeline, and one page that needs nothing else."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from html import escape

from reconciler.core.standing import Standing
from reconciler.core.values import show_duration, visible

from .runs import table

NO_SECRET = "No secret is declared (write documents of kind `secret`)."
HEADING = ("secret", "type", "phase", "last", "due", "covered")
WIDTH = 24  # letters of a timeline
_MINUTE, _DAY = 60, 86400


def status_text(rows: Sequence[Standing], now: int) -> str:
    """What needs attention first, then the rest in the order of their due times."""
    if not rows:
        return NO_SECRET
    cells: list[tuple[str, ...]] = [(*HEADING, "from the last rotation to the next")]
    cells.extend((*status_cells(one, now), timeline(one, now)) for one in ordered(rows))
    return "\n".join([table(cells), "", *remarks(rows, now), totals(rows)])


def status_cells(one: Standing, now: int) -> tuple[str, ...]:
    return (visible(one.path), one.type, _phase(one), _ago(one, now), _due(one, now), _covered(one))


def ordered(rows: Iterable[Standing]) -> list[Standing]:
    return sorted(rows, key=lambda one: (not one.in_trouble, one.next_due is None, one.next_due or 0, one.path))


def timeline(one: Standing, now: int) -> str:
    """`[====|    !   ]`: how far the interval is gone; `!` is when warnings begin, and nothing is left past its end."""
    if one.last_rotated is None or one.next_due is None:
        return ""
    share = _share(one, now)
    done = min(WIDTH, round(share * WIDTH))
    letters = ["="] * done + [" "] * (WIDTH - done)
    if one.warn_at is not None:
        mark = round(_place(one, one.warn_at) * WIDTH)
        if 0 <= mark < WIDTH:
            letters[mark] = "!"
    if share > 1:
        letters[-1] = ">"
    return f"[{''.join(letters)}]"


def _share(one: Standing, now: int) -> float:
    return max(0.0, _place(one, now))


def _place(one: Standing, moment: int) -> float:
    last, due = one.last_rotated or 0, one.next_due or 0
    return (moment - last) / max(1, due - last)


def _phase(one: Standing) -> str:
    if one.phase == "CANARY":
        return f"CANARY {one.stage}"
    return one.phase


def _ago(one: Standing, now: int) -> str:
    return "unknown" if one.last_rotated is None else f"{rough(now - one.last_rotated)} ago"


def _due(one: Standing, now: int) -> str:
    if one.next_due is None:
        return "unknown" if one.scheduled else "by hand"
    if one.overdue:
        return f"overdue by {rough(now - one.next_due)}"
    return f"in {rough(one.next_due - now)}" + (" (soon)" if one.warn else "")


def _covered(one: Standing) -> str:
    """How many of the declared consumers have the newest value."""
    return f"{one.covered} of {one.consumers}" if one.consumers and one.phase != "UNKNOWN" else ""


def rough(seconds: int) -> str:
    """A duration as people say it: its two largest units at most."""
    seconds = max(0, seconds)
    step = _DAY if seconds >= 10 * _DAY else 3600 if seconds >= _DAY else _MINUTE if seconds >= 3600 else 1
    return show_duration(seconds // step * step)


def remarks(rows: Sequence[Standing], now: int) -> Iterable[str]:
    for one in ordered(rows):
        if one.alarmed is not None:
            yield f"{visible(one.path)}: something leaked {rough(now - one.alarmed)} ago, and is not known to be refused"
        if one.phase == "CANARY":
            yield f"{visible(one.path)}: covered {one.covered} of {one.consumers} consumers; share of traffic: not measured"
        elif one.phase == "OVERLAP" and one.until:
            yield f"{visible(one.path)}: old and new value are both good for another {rough(one.until - now)}"
        if one.reason and (one.in_trouble or one.phase == "HELD"):
            yield f"{visible(one.path)}: {one.phase}: {visible(one.reason)}"


def totals(rows: Sequence[Standing]) -> str:
    parts = [f"{len(rows):,} secrets"]
    for count, word in (
        (sum(one.overdue for one in rows), "overdue"),
        (sum(one.warn for one in rows), "due soon"),
        (sum(one.phase not in ("IDLE", "HELD") and not one.in_trouble for one in rows), "under way"),
        (sum(one.phase == "HELD" for one in rows), "held"),
        (sum(one.in_trouble for one in rows), "in trouble"),
    ):
        if count:
            parts.append(f"{count:,} {word}")
    return ", ".join(parts) + "."


_PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --line: #8884; --done: #4a7; --warn: #d90; --bad: #d33; }}
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }}
.bar {{ position: relative; height: .8rem; min-width: 12rem; background: var(--line); border-radius: .4rem; overflow: hidden; }}
.bar i {{ position: absolute; inset: 0 auto 0 0; background: var(--done); }}
.bar b {{ position: absolute; top: 0; bottom: 0; width: 2px; background: var(--warn); }}
.overdue i {{ background: var(--bad); }} .warn i {{ background: var(--warn); }} .trouble td {{ color: var(--bad); font-weight: 600; }}
small {{ opacity: .7; }}
</style></head><body>
<h1>{title}</h1><p>{totals} <small>As of {moment}.</small></p>
<table><thead>
<tr><th>Secret<th>Type<th>Store<th>Phase<th>Last rotated<th>Due<th>Covered<th>From the last rotation to the next</tr>
</thead><tbody>
{rows}
</tbody></table>
{remarks}
</body></html>
"""


def status_html(rows: Sequence[Standing], now: int, title: str) -> str:
    """One page that loads nothing from anywhere."""
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    told = "".join(f"<li>{escape(line)}" for line in remarks(rows, now))
    return _PAGE.format(
        title=escape(title),
        totals=escape(totals(rows)),
        moment=moment,
        rows="\n".join(_row(one, now) for one in ordered(rows)),
        remarks=f"<ul>{told}</ul>" if told else "",
    )


def _row(one: Standing, now: int) -> str:
    sort = "trouble" if one.in_trouble else "overdue" if one.overdue else "warn" if one.warn else ""
    cells = [one.path, one.type, one.store, _phase(one), _ago(one, now), _due(one, now), _covered(one)]
    bar = ""
    if one.last_rotated is not None and one.next_due is not None:
        mark = f'<b style="left:{_place(one, one.warn_at) * 100:.1f}%"></b>' if one.warn_at is not None else ""
        bar = f'<div class="bar"><i style="width:{min(100.0, _share(one, now) * 100):.1f}%"></i>{mark}</div>'
    return f'<tr class="{sort}">' + "".join(f"<td>{escape(visible(cell))}" for cell in cells) + f"<td>{bar}</tr>"
