"""Makes instances up, one after the other, in the form that the engine gives their rows."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Iterator

from bench.rows import (
    ACTIVITIES,
    ENGINE_VERSION,
    ENGINE_VERSION_PARTS,
    EPOCH_MS,
    FAR_FUTURE_MS,
    POOL_SIZE,
    START_EVERY_MS,
    VERSION,
    Batch,
    Life,
    answer,
    pool,
    quoted,
    request,
    stamp,
)

FLUSH_INSTANCES = 2_000


class Maker:
    """Makes instances up, one after the other, and puts their rows into a batch."""

    def __init__(self, executions: int, seed: int) -> None:
        """Prepare to make exactly so many executions."""
        self.rng = random.Random(seed)
        self.left = executions
        self.made = 0
        self.batch = Batch()
        self.requests = pool(self.rng, request)
        self.answers = pool(self.rng, answer)

    def fill(self) -> Iterator[Batch]:
        """Yield full batches until all executions are made; each is emptied once it has been taken."""
        while self.left > 0:
            for _ in range(FLUSH_INSTANCES):
                if self.left > 0:
                    self._instance()
            yield self.batch
            self.batch.clear()

    # -- the parts of a life -------------------------------------------------------------------------------

    def _born(self, name: str, *, instance_id: str | None = None, parent: str | None = None) -> Life:
        """Return a new instance; a child starts when its parent asks, all others one after the other."""
        if instance_id is None:
            instance_id = self._new_id()
        now = EPOCH_MS + self.made * START_EVERY_MS + self.rng.randrange(START_EVERY_MS)
        self.made += 1
        return Life(instance_id, name, now, parent, created=stamp(now // 1000))

    def _new_id(self) -> str:
        """Return the id of a new instance."""
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def _event(self, life: Life, kind: str, payload: str, source: int | None = None) -> int:
        """Append an event with the payload (the text of JSON members, comma first) and return its id."""
        life.event_id += 1
        data = (
            f'{{"event_id":{life.event_id},"source_event_id":{"null" if source is None else source},'
            f'"instance_id":"{life.instance_id}","execution_id":{life.execution_id},"timestamp_ms":{life.now},'
            f'"duroxide_version":"{ENGINE_VERSION}","type":"{kind}"{payload}}}'
        )
        self.batch.rows["history"].append(
            (life.instance_id, life.execution_id, life.event_id, kind, data, stamp(life.now // 1000))
        )
        return life.event_id

    def _start(self, life: Life, given: str, parent_event: int | None = None) -> None:
        """Begin the next execution with this quoted input."""
        self.left -= 1
        life.execution_id += 1
        life.event_id = 0
        life.started = stamp(life.now // 1000)
        if life.parent is None:
            family = ',"parent_instance":null,"parent_id":null'
        else:
            family = f',"parent_instance":"{life.parent}","parent_id":{parent_event},"parent_execution_id":1'
        members = f',"name":"{life.name}","version":"{VERSION}","input":{given}{family}'
        self._event(life, "OrchestrationStarted", members)

    def _activity(self, life: Life, name: str) -> None:
        """Schedule an activity and complete it, 5 to 400 ms later."""
        pick = self.rng.randrange(POOL_SIZE)
        source = self._event(life, "ActivityScheduled", f',"name":"{name}","input":{self.requests[pick]}')
        life.now += self.rng.randrange(5, 400)
        self._event(life, "ActivityCompleted", f',"result":{self.answers[pick]}', source)

    def _activities(self, life: Life, least: int, most: int) -> None:
        """Run between so many activities."""
        for number in range(self.rng.randint(least, most)):
            self._activity(life, ACTIVITIES[number])

    def _report(self, life: Life, text: str) -> None:
        """Set the custom status."""
        self._event(life, "CustomStatusUpdated", f',"status":{quoted(text)}')
        life.custom_status = text
        life.custom_status_version += 1

    def _keep(self, life: Life, key: str, value: str) -> None:
        """Set a key of the instance: it lives in kv_delta until the execution ends."""
        members = f',"key":{quoted(key)},"value":{quoted(value)},"last_updated_at_ms":{life.now}'
        self._event(life, "KeyValueSet", members)
        life.kv_delta[key] = (value, life.now)

    def _execution_row(self, life: Life, status: str, output: str | None, completed_at: int | None) -> None:
        """Write the row of the current execution."""
        key = (life.instance_id, life.execution_id)
        self.batch.rows["executions"].append((*key, status, output, life.started, completed_at, *ENGINE_VERSION_PARTS))

    def _end(self, life: Life, status: str, output: str) -> None:
        """Write the execution as ended now (the event is already there) and merge its keys."""
        life.kv_store.update(life.kv_delta)
        life.kv_delta.clear()
        self._execution_row(life, status, output, life.now + self.rng.randrange(3))

    def _complete(self, life: Life, output: str) -> None:
        """End the execution well."""
        self._event(life, "OrchestrationCompleted", f',"output":{quoted(output)}')
        self._end(life, "Completed", output)

    def _continue(self, life: Life, given: str) -> None:
        """End the execution by continuing as new, and start the next one a few ms later."""
        self._event(life, "OrchestrationContinuedAsNew", f',"input":{quoted(given)}')
        self._end(life, "ContinuedAsNew", given)
        life.now += self.rng.randrange(2, 20)
        self._start(life, quoted(given))

    def _bury(self, life: Life) -> None:
        """Write the rows of the instance itself."""
        rows = self.batch.rows
        rows["instances"].append(
            (
                life.instance_id,
                life.name,
                VERSION,
                life.execution_id,
                life.created,
                life.started,
                life.parent,
                life.custom_status,
                life.custom_status_version,
            )
        )
        for table, values in (("kv_store", life.kv_store), ("kv_delta", life.kv_delta)):
            rows[table].extend((life.instance_id, key, value, at) for key, (value, at) in values.items())

    def _given(self) -> str:
        """Return a quoted input."""
        return self.requests[self.rng.randrange(POOL_SIZE)]

    def _result(self) -> str:
        """Return an output that hardly any other execution has."""
        cents = self.rng.randrange(10**7)
        return f'{{"order": {self.made}, "total_cents": {cents}, "note": "paid in \\"full\\""}}'

    # -- the kinds of life ---------------------------------------------------------------------------------

    def _instance(self) -> None:
        """Make one instance of a kind drawn by weight."""
        draw = self.rng.random()
        for share, make in self._KINDS:
            if draw < share:
                return make(self)
            draw -= share
        return self._order()

    def _order(self) -> None:
        """Make a completed order, now and then with a custom status and keys."""
        life = self._born("Order")
        self._start(life, self._given())
        if self.rng.random() < 0.05:
            self._report(life, "charging")
            self._keep(life, "stage", "charged")
        self._activities(life, 4, 6)
        self._complete(life, self._result())
        self._bury(life)

    def _failed(self) -> None:
        """Make an order that fails because an activity failed."""
        life = self._born("Order")
        self._start(life, self._given())
        self._activities(life, 2, 5)
        source = self._event(life, "ActivityScheduled", f',"name":"Charge","input":{self._given()}')
        life.now += self.rng.randrange(5, 400)
        message = f"Activity 'Charge' call failed: Exception: \"card\" {self.rng.randrange(10**4):04d}"
        for kind, cause in (("ActivityFailed", source), ("OrchestrationFailed", None)):
            details = f'{{"kind":"{kind}","message":{quoted(message)},"retryable":false}}'
            self._event(life, kind, f',"details":{{"Application":{details}}}', cause)
        self._end(life, "Failed", message)
        self._bury(life)

    def _cancelled(self) -> None:
        """Make an approval that was cancelled while it waited."""
        life = self._born("Approval")
        self._start(life, self._given())
        self._activities(life, 3, 5)
        source = self._event(life, "ExternalSubscribed", ',"name":"approval"')
        life.now += self.rng.randrange(1_000, 60_000)
        reason = quoted(f"withdrawn by user {self.rng.randrange(1000)}")
        self._event(life, "OrchestrationCancelRequested", f',"reason":{reason}')
        self._event(life, "ExternalSubscribedCancelled", ',"reason":"orchestration_terminal"', source)
        self._event(
            life,
            "OrchestrationFailed",
            f',"details":{{"Application":{{"kind":{{"Cancelled":{{"reason":{reason}}}}},'
            f'"message":"","retryable":false}}}}',
        )
        self._end(life, "Failed", f"canceled: {json.loads(reason)}")
        self._bury(life)

    def _approved(self) -> None:
        """Make an approval that came, after a timer of a second."""
        life = self._born("Approval")
        self._start(life, self._given())
        self._activities(life, 2, 4)
        fire_at = life.now + 1_000
        source = self._event(life, "TimerCreated", f',"fire_at_ms":{fire_at}')
        life.now = fire_at + self.rng.randrange(50)
        self._event(life, "TimerFired", f',"fire_at_ms":{fire_at}', source)
        self._event(life, "ExternalSubscribed", ',"name":"approval"')
        life.now += self.rng.randrange(1_000, 60_000)
        answer = '{"by": "me"}'
        self._event(life, "ExternalEvent", f',"name":"approval","data":{quoted(answer)}')
        self._complete(life, answer)
        self._bury(life)

    def _chain(self) -> None:
        """Make a poller that continued as new a few times; one in ten is still at it."""
        life = self._born("Poller")
        self._start(life, quoted('{"page": 1}'))
        keeps = self.rng.random() < 0.3
        for page in range(2, 2 + min(self.rng.randint(1, 4), self.left)):
            if keeps:
                self._keep(life, "page", str(page))
            self._activities(life, 4, 6)
            self._continue(life, f'{{"page": {page}}}')
        self._activities(life, 4, 6)
        if self.rng.random() < 0.1:
            self._event(life, "ExternalSubscribed", ',"name":"more"')
            self._execution_row(life, "Running", None, None)
        else:
            self._complete(life, '"done"')
        self._bury(life)

    def _family(self) -> None:
        """Make a parent that waited for its child."""
        if self.left < 2:
            return self._order()
        life = self._born("Batch")
        self._start(life, self._given())
        self._activities(life, 3, 5)
        given = self._given()
        event = life.event_id + 1
        self._event(life, "SubOrchestrationScheduled", f',"name":"Order","instance":"sub::{event}","input":{given}')
        child = self._born("Order", instance_id=f"{life.instance_id}::sub::{event}", parent=life.instance_id)
        child.now = life.now + self.rng.randrange(2, 20)
        child.created = stamp(child.now // 1000)
        self._start(child, given, event)
        self._activities(child, 3, 5)
        result = self._result()
        self._complete(child, result)
        life.now = child.now + self.rng.randrange(2, 20)
        self._event(life, "SubOrchestrationCompleted", f',"result":{quoted(result)}', event)
        self._complete(life, result)
        self._bury(life)
        return self._bury(child)

    def _live(self) -> None:
        """Make an instance that still runs: it waits for an event, an activity or a timer."""
        life = self._born("Approval")
        self._start(life, self._given())
        self._keep(life, "stage", "waiting")
        self._activities(life, 3, 6)
        self.rng.choice((self._wait_event, self._wait_activity, self._wait_timer))(life)
        self._execution_row(life, "Running", None, None)
        self._bury(life)

    def _wait_event(self, life: Life) -> None:
        """Wait for an event from outside."""
        self._event(life, "ExternalSubscribed", ',"name":"approval"')

    def _wait_activity(self, life: Life) -> None:
        """Wait for an activity that no worker has taken yet."""
        given = self._given()
        event = self._event(life, "ActivityScheduled", f',"name":"Ship","input":{given}')
        item = (
            f'{{"ActivityExecute":{{"instance":"{life.instance_id}","execution_id":{life.execution_id},'
            f'"id":{event},"name":"Ship","input":{given}}}}}'
        )
        self.batch.rows["worker_queue"].append(
            (item, life.now, stamp(life.now // 1000), life.instance_id, life.execution_id, event)
        )

    def _wait_timer(self, life: Life) -> None:
        """Wait for a timer that fires in the far future."""
        event = self._event(life, "TimerCreated", f',"fire_at_ms":{FAR_FUTURE_MS}')
        item = (
            f'{{"TimerFired":{{"instance":"{life.instance_id}","execution_id":{life.execution_id},'
            f'"id":{event},"fire_at_ms":{FAR_FUTURE_MS}}}}}'
        )
        self.batch.rows["orchestrator_queue"].append((life.instance_id, item, FAR_FUTURE_MS, stamp(life.now // 1000)))

    _KINDS: tuple[tuple[float, Callable[[Maker], None]], ...] = (
        (0.060, _failed),
        (0.020, _cancelled),
        (0.050, _approved),
        (0.030, _chain),
        (0.020, _family),
        (0.020, _live),
    )  # shares of the instances; all the others are completed orders
