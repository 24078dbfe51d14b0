"""The bugs that are planted, each of which the simulator must catch; ``planted.py`` does it.

The bugs of the append script are planted in the simulated one, to show that the auditor would see what they do; that
the real script is like the simulated one is the matter of ``tests/integration/test_simulated_script.py``.
Those of one kind of distribution stand in ``bugs_of_kinds.py``.

Some changes are not in the list because no seed of 400 caught them, and behind each stands another defence: keeping in
``Writer.interrupt`` what was received (the script knows lost commands), taking the answer to an older question in
``Runner._receive`` (a reader is made anew with its connection), believing a manifest without its seal (every field of
it is held against the log, the key, or the parts), an append without the condition of the writer (another writer's
entry has another chain), a script that does not know a retry of what is in (who retries is refused, and takes over
anew), a snapshot that forgets an outage (no pair stands behind a take-over, before the step that makes good for it:
``Writer.at_rest``). They may be unreachable; nobody has proved it.
A log that another writer has trimmed meanwhile, taken for broken, is caught by a plan in ``test_simulation.py`` alone.
"""

from __future__ import annotations

from tests.engine.simulation.bug import Bug
from tests.engine.simulation.bugs_of_kinds import BUGS_OF_KINDS

SCRIPT = "tests/engine/simulation/store.py"

BUGS = (
    Bug("no dedupe of numbered batches", "engine/core/senders.py", "if number != last + 1:", "if number > last + 1:"),
    Bug(
        "a take-over forgets the senders",
        "engine/core/experience.py",
        'assert event.epoch > 0, "an epoch is a positive number"',
        "self.senders = Senders()",
    ),
    Bug(
        "a repeated Idempotency-Key is done again",
        "engine/core/senders.py",
        "kept = self._kept.get(command.key)",
        "kept = None",
    ),
    Bug(
        "the bucket gives one token too many",
        "engine/core/admission.py",
        "burst = 1 - (-self.rate * self.burst_ms // MS_PER_MINUTE)",
        "burst = 2 - (-self.rate * self.burst_ms // MS_PER_MINUTE)",
    ),
    Bug(
        "the burst is not capped after an outage",
        "engine/core/admission.py",
        "self.level = min(self._level_max(), self.level + self.rate * (now_ms - self.stamp_ms))",
        "self.level += self.rate * (now_ms - self.stamp_ms)",
    ),
    Bug("`<` for `<=` at a deadline", "engine/core/experience.py", "and deadline <= now_ms:", "and deadline < now_ms:"),
    Bug(
        "a deadline fires with now, not its own instant",
        "engine/core/experience.py",
        "at = max(deadline, resumed_ms)",
        "at = now_ms",
    ),
    Bug(
        "one window more than max_active",
        "engine/core/admission.py",
        "room = self.max_active - active",
        "room = self.max_active - active + 1",
    ),
    Bug(
        "expiry does not return the stock",
        "engine/core/turns.py",
        "self.stock.give_back(variant)\n        self.given_back",
        "self.given_back",
    ),
    Bug("a rejoin breaks FIFO", "engine/distributions/queue.py", "self._head = min(self._head, place)", "_ = place"),
    Bug(
        "an admission id is used twice",
        "engine/core/turns.py",
        'turn = b"%b%d/%d" % (name, ticket, ticket in forgiven)',
        'turn = b"%b%d" % (name, ticket)',
    ),
    Bug(
        "a refused extend counts as the one extension",
        "engine/core/checkout.py",
        "    if window.expires_at <= experience.now_ms:\n",
        "    window.extended = True\n    if window.expires_at <= experience.now_ms:\n",
    ),
    Bug(
        "an outage is not made good",
        "engine/core/experience.py",
        "if outage_from_ms is None or now_ms - outage_from_ms <= OUTAGE_MIN_MS:",
        "if outage_from_ms is None or now_ms - outage_from_ms <= 1_000_000_000:",
    ),
    Bug(
        "time goes back at a cold take-over",
        "engine/io/clock.py",
        "return Start(max(reading.wall_ms, last_ms), doubtful=False)",
        "return Start(reading.wall_ms, doubtful=False)",
    ),
    Bug(
        "a take-over does not replay the tail",
        "engine/succession.py",
        "self._shadows.take(experience, taking.append.end.entry_id)",
        "self._shadows.take(experience, taking.append.previous.entry_id)",
    ),
    Bug(
        "what a standby followed is not given up where the store has lost it",
        "engine/succession.py",
        "        elif restoration.resumed:\n",
        "        elif False:\n",
    ),
    Bug(
        "a warm standby does not know that it took over",
        "engine/restoration.py",
        "            self.experience.take_over(entry.events[0], entry.now_ms)\n",
        "            if not self.resumed:\n                self.experience.take_over(entry.events[0], entry.now_ms)\n",
    ),
    Bug(
        "a state that is ahead is kept when the store was away",
        "engine/duties.py",
        "            if writer.ahead is None:\n",
        "            writer.ahead = None\n            if writer.ahead is None:\n",
    ),
    Bug(
        "deadlines wait for the next beat",
        "engine/runner.py",
        "patience_ms = min(patience_ms, due_ms - writer.clock.read(reading))",
        "patience_ms = min(patience_ms, 100)",
    ),
    Bug(
        "a batch is tried again for ten seconds",
        "engine/commit.py",
        "COMMIT_MS_MAX = 1_000",
        "COMMIT_MS_MAX = 10_000",
    ),
    Bug(
        "taking over anew keeps a stale state",
        "engine/succession.py",
        "        append = await writer_changed(self._outside, writer.id, writer.end, now_ms, waits=self._waits)\n",
        "        from engine.takeover import read_log_end\n"
        "        writer.end = (await read_log_end(self._outside, writer.id))._replace(now_ms=writer.end.now_ms)\n"
        "        append = await writer_changed(self._outside, writer.id, writer.end, now_ms, waits=self._waits)\n",
    ),
    Bug(
        "a take-over ignores the counter of epochs",
        "engine/takeover.py",
        "epoch = max(await outside.epoch(experience), previous.epoch) + 1",
        "epoch = previous.epoch + 1",
    ),
    Bug(
        "append without the condition",
        SCRIPT,
        "if last != append.previous.entry_id or reached != append.previous.chain:",
        "if False:",
    ),
    Bug(
        "append behind an entry of the same ID",
        SCRIPT,
        "if last != append.previous.entry_id or reached != append.previous.chain:",
        "if last != append.previous.entry_id:",
        trouble="lost_take_overs",
    ),
    Bug(
        "what was found before the take-over must fit the log",
        "engine/restoration.py",
        "self.resumed = self._beginning is not None",
        "self.resumed = self._log is not None",
        trouble="failover",
    ),
    Bug(
        "what was followed up to an entry of the same ID is taken",
        "engine/succession.py",
        "if restoration.done and restoration.replica.chain != taken.end.chain:",
        "if False:",
        trouble="lost_take_overs",
    ),
    Bug(
        "commands lost in a failover are not noticed",
        SCRIPT,
        "return command == START_ID or bool(found and (same or not append.sender))",
        "return True",
        trouble="lost_commands",
    ),
    Bug(
        "the sender counts a batch as applied that is not",
        "gateway/outgoing.py",
        "while self._sent and self._sent[0].number <= number:",
        "while self._sent and self._sent[0].number <= number + 1:",
    ),
    Bug(
        "the sender never sends again",
        "gateway/outgoing.py",
        "        self._unwritten = len(self._sent)\n        for sent",
        "        for sent",
    ),
    Bug(
        "the sender gives up only after ten minutes",
        "gateway/outgoing.py",
        "if first.dropped > DROPS_MAX:",
        "if False:",
    ),
    Bug(
        "what is stored of a pair is believed without its digest",
        "protocol/manifest.py",
        "if sha256(data).digest() != part.digest:",
        "if False:",
    ),
    Bug(
        "a pair counts before its last chunk is stored",
        "engine/making.py",
        """            yield
        else:""",
        """            yield
            return manifest
        else:""",
    ),
    Bug(
        "a stale snapshot is believed without its entry",
        "engine/beginning.py",
        "    _check_log(client, experience_id, manifest)\n    entry_id =",
        "    entry_id =",
    ),
    Bug(
        "a snapshot is of another instant than its entry",
        "engine/snapshots.py",
        "if one.at_rest and is_due(one.since, self._settings, now_ms)]",
        "if is_due(one.since, self._settings, now_ms) and not one.state.step(now_ms, [])[1]]",
    ),
    Bug(
        "behind a snapshot all commands are applied once more",
        "engine/beginning.py",
        "replica, manifest.command_id, manifest, faults)",
        "replica, START_ID, manifest, faults)",
        trouble="poison",
    ),
    Bug(
        "what was set aside is met again in a restoration",
        "engine/restoration.py",
        "batch_of(command, skipped.get(command[0]))",
        "batch_of(command, None)",
        trouble="poison",
    ),
    Bug(
        "the first of a step that raises is set aside untried",
        "engine/poison.py",
        "        return Care(taken[-1])\n",
        '        return Care(taken[-1], taken[0], sha256(b"").digest())\n',
        trouble="poison",
    ),
    Bug(
        "the number of what is set aside does not count",
        "engine/poison.py",
        "return Batch(skipped.sender, skipped.number, [])",
        'return Batch(b"", 0, [])',
        trouble="poison",
    ),
    Bug(
        "the log is trimmed above a reader",
        "engine/trimming.py",
        "if least is None or parse_entry_id(least) >= parse_entry_id(previous.entry_id):",
        "if True:",
    ),
    Bug(
        "the log is trimmed below the newest pair alone",
        "engine/snapshots.py",
        "bound_of(watching, writer.id, previous, readers.least)",
        "bound_of(watching, writer.id, manifest, readers.least)",
    ),
    Bug(
        "the pair before is not kept",
        "engine/io/snapshots.py",
        "if entry_id != kept and _place(entry_id) < newest:",
        "if _place(entry_id) < newest:",
    ),
    Bug(
        "a pair that a failover has lost is kept instead of the one before",
        "engine/snapshots.py",
        "if base is None or stored.get(base.entry_id.encode()):",
        "if True:",
        trouble="lost_pairs",
    ),
    Bug(
        "who was replaced lets a pair count",
        "engine/io/snapshots.py",
        "if watching.hget(tip_key(experience), TIP_CHAIN) != chain:",
        "if False:",
        trouble="late_pairs",
    ),
    Bug(
        "what a take-over between WATCH and EXEC changed is not looked at",
        "engine/io/snapshots.py",
        "watching.watch(tip_key(experience), readers_key(experience))",
        'watching.watch("nothing")',
        trouble="late_pairs",
    ),
    Bug(
        "a gateway begins with a stale replica",
        "gateway/io/resync.py",
        "if not entries or entries[0][1].get(FIELD_CHAIN) != manifest.chain:",
        "if False:",
    ),
    Bug(
        "a replica forgets who returned",
        "protocol/path_replica.py",
        "        self.roster.restore(ticket)\n",
        "",
    ),
    *BUGS_OF_KINDS,
)
