"""secret keyring: what opens the encrypted store."""

from __future__ import annotations

import click

from reconciler.settings import Settings


@click.group()
def keyring() -> None:
    """The key slots and the master key of the encrypted store."""


@keyring.command()
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def show(settings: Settings, output: str) -> None:
    """List the slots that the store has, and those that are only declared."""
    from reconciler.cli.output import say_json
    from reconciler.wiring.stores import encrypted_files

    with encrypted_files(settings) as store:
        there, declared = store.keyring.slot_names(), [slot.name for slot in store.keyring.slots]
    rows = [{"slot": name, "opens": name in there, "declared": name in declared} for name in sorted({*there, *declared})]
    if output == "json":
        say_json(rows)
        return
    for row in rows:
        state = "opens the store" if row["opens"] else "is declared, but not in the keyring yet (reconcile secret keyring sync)"
        click.echo(f"{row['slot']}: {state}{'' if row['declared'] else ', though it is not declared any more'}")


@keyring.command()
@click.option("--yes", is_flag=True, help="Do not ask before a slot is removed.")
@click.pass_obj
def sync(settings: Settings, yes: bool) -> None:
    """Give the store the declared slots, no more and no less. No secret is touched."""
    from reconciler.cli.running import ask_or_yes
    from reconciler.wiring.secret_changes import recorded_change
    from reconciler.wiring.stores import encrypted_files

    with encrypted_files(settings) as store:
        undeclared = set(store.keyring.slot_names()) - {slot.name for slot in store.keyring.slots}
        if undeclared:
            ask_or_yes(yes)
            yes or click.confirm(f"Remove {', '.join(sorted(undeclared))}?", abort=True)
        with recorded_change(settings, "secret.keyring.sync", store.name):
            added, removed = store.keyring.sync_slots()
    click.echo(f"Added: {', '.join(added) or 'none'}. Removed: {', '.join(removed) or 'none'}.")


@keyring.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def rotate(settings: Settings, yes: bool) -> None:
    """Make a new master key, encrypt everything anew, and destroy the old key. Killed, it goes on when called again."""
    from reconciler.cli.running import ask_or_yes
    from reconciler.wiring.secret_changes import recorded_change
    from reconciler.wiring.stores import encrypted_files, rotate_master

    ask_or_yes(yes)
    yes or click.confirm("Encrypt the whole store anew?", abort=True)
    with encrypted_files(settings) as store, recorded_change(settings, "secret.keyring.rotate", store.name):
        count = rotate_master(store)
    click.echo(f"Encrypted {count:,} files anew. The old master key is destroyed.")
