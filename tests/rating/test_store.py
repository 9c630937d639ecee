"""The store, on SQLite and on a real PostgreSQL: answers kept once, in turn, for good, and deleted on withdrawal."""

import sqlite3
import sys
import threading

import pytest

from genwright.errors import ArgumentError, MissingDependencyError, StorageError
from genwright.rating.records import ANSWERS
from genwright.rating.store import Refused, Store
from genwright.rating.study import holds_study, take_up
from tests.rating.conftest import a_study


@pytest.fixture(params=["sqlite", "postgres"])
def url(request):
    """Where answers go: into the study's folder, or to a PostgreSQL cluster."""
    return None if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture
def opened(tmp_path, systems, url):
    study = a_study(tmp_path / "study", systems, store=url)
    yield study
    study.store.close()


def enter(store: Store, slot: int = 0) -> str:
    rater = store.rater(store.invites()[slot].token)
    assert rater is not None
    store.consent(rater)
    return rater


def answer(store: Store, rater: str, n: int = 1) -> list[tuple[str, str]]:
    given = []
    for _ in range(n):
        trial = store.current(rater)
        store.show(trial.id)
        store.rate(rater, trial.id, ANSWERS[trial.kind][0], seconds=0.5, minimum=0.0)
        given.append((trial.id, ANSWERS[trial.kind][0]))
    return given


def test_answers_are_kept_in_turn_until_the_end(opened):
    store = opened.store
    rater = enter(store)
    total = store.standing(rater).total
    given = answer(store, rater, total)
    assert store.current(rater) is None and store.standing(rater).done == total == 16
    study = store.study()
    assert [(rating.trial, rating.answer) for rating in study.ratings] == given
    assert [trial.position for trial in study.trials] == list(range(total))
    assert [each.id for each in study.raters] == [rater] and study.withdrawn == 0
    assert study.protocol == opened.protocol.to_json()
    known = {stimulus.id for stimulus in study.stimuli}
    assert all({trial.left, trial.right} - {""} <= known for trial in study.trials)


def test_only_the_latest_answer_can_be_undone_and_by_its_rater(opened):
    store = opened.store
    rater, other = enter(store), enter(store, 1)
    (first, _), (second, _) = answer(store, rater, 2)
    for whose, trial in ((rater, first), (other, second), (rater, "none")):
        with pytest.raises(Refused, match="latest"):
            store.undo(whose, trial)
    store.undo(rater, second)
    assert store.standing(rater).done == 1 and store.current(rater).id == second
    answer(store, rater)
    assert [rating.trial for rating in store.study().ratings] == [first, second]


def test_tokens_are_for_the_owner_of_the_study_alone(tmp_path, systems):
    study = a_study(tmp_path / "study", systems)
    enter(study.store)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "study").glob("study.sqlite*")}
    study.store.close()
    assert len(modes) > 1 and set(modes.values()) == {0o600}


def test_records_fit_together(opened):
    enter(opened.store)
    study = opened.store.study()
    trials = {trial.id: trial for trial in study.trials}
    system = {stimulus.id: stimulus.system for stimulus in study.stimuli}
    for trial in study.trials:
        assert bool(trial.right) == (trial.kind == "pair")
        assert bool(trial.expected) == (trial.role == "attention")
        assert (system[trial.left] == "") == (trial.role == "attention")
        if trial.role == "repeat":
            before = trials[trial.repeats]
            assert before.position < trial.position
            assert [before.right or before.left, before.left] == [trial.left, trial.right or before.left]
        if trial.kind == "pair" and trial.role == "rating":
            assert system[trial.left] != system[trial.right]


def test_the_same_answer_twice_is_one_rating_and_another_is_refused(opened):
    store = opened.store
    rater = enter(store)
    ((trial, given),) = answer(store, rater)
    store.rate(rater, trial, given, seconds=9.0, minimum=0.0)
    with pytest.raises(Refused, match="first answer counts"):
        store.rate(rater, trial, "right" if given == "left" else "generated", seconds=0.1, minimum=0.0)
    (kept,) = store.study().ratings
    assert (kept.answer, kept.trial) == (given, trial) and kept.seconds <= 0.5


def test_answers_out_of_turn_too_early_or_unknown_are_refused(opened):
    store = opened.store
    rater, other = enter(store), enter(store, 1)
    trial = store.current(rater)
    valid = ANSWERS[trial.kind][0]
    with pytest.raises(Refused, match="before it could be looked at"):
        store.rate(rater, trial.id, valid, seconds=5.0, minimum=0.0)
    store.show(trial.id)
    with pytest.raises(Refused, match="before it could be looked at"):
        store.rate(rater, trial.id, valid, seconds=5.0, minimum=3.0)
    with pytest.raises(Refused, match="the answers are"):
        store.rate(rater, trial.id, "8", seconds=5.0, minimum=0.0)
    for wrong in (store.current(other).id, "0" * 16, "' OR 1=1 --"):
        with pytest.raises(Refused, match="not the question"):
            store.rate(rater, wrong, valid, seconds=5.0, minimum=0.0)
    assert not store.study().ratings


def test_seconds_cannot_exceed_the_time_since_the_stimuli_were_shown(opened):
    store = opened.store
    rater = enter(store)
    trial = store.current(rater)
    store.show(trial.id)
    store.rate(rater, trial.id, ANSWERS[trial.kind][0], seconds=1e9, minimum=0.0)
    assert 0 <= store.study().ratings[0].seconds < 5


def test_withdrawal_deletes_everything_of_that_rater_and_keeps_the_count(opened, tmp_path, url):
    store = opened.store
    gone, stays = enter(store), enter(store, 1)
    answer(store, gone, 3)
    kept = answer(store, stays, 2)
    token = store.invites()[0].token
    store.withdraw(gone)
    store.withdraw(gone)
    study = store.study()
    assert study.withdrawn == 1
    assert [rater.id for rater in study.raters] == [stays]
    assert {trial.rater for trial in study.trials} == {stays}
    assert [(rating.trial, rating.answer) for rating in study.ratings] == kept
    assert store.rater(token) is None
    again = take_up(tmp_path / "study", store=url)
    assert len(again.store.invites()) == 2 and again.store.rater(token) is None  # the place is free for another
    again.store.close()


def test_what_was_withdrawn_is_not_on_the_disk_any_more(tmp_path, systems):
    study = a_study(tmp_path / "study", systems)
    rater, stays = enter(study.store), enter(study.store, 1)
    ids = [trial for trial, _ in answer(study.store, rater, 5)] + [rater, study.store.invites()[0].token]

    def held() -> bytes:
        return b"".join(path.read_bytes() for path in (tmp_path / "study").glob("study.sqlite*"))

    assert all(each.encode() in held() for each in ids)
    study.store.withdraw(rater)
    assert not any(each.encode() in held() for each in ids) and stays.encode() in held()
    study.store.close()


def test_tokens_are_long_and_only_whole_ones_are_known(opened):
    tokens = [invite.token for invite in opened.store.invites()]
    assert len(set(tokens)) == 2 and all(len(token) >= 32 for token in tokens)
    for wrong in ("", tokens[0][:-1], tokens[0] + "x", tokens[0].swapcase(), "é", "%"):
        assert opened.store.rater(wrong) is None


def test_raters_without_consent_are_not_part_of_the_study(opened):
    assert not opened.store.study().raters and not opened.store.study().trials


def test_threads_may_answer_at_once(opened):
    store = opened.store
    raters = [enter(store), enter(store, 1)]
    threads = [threading.Thread(target=answer, args=(store, rater, 16)) for rater in raters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.study().ratings) == 32


def test_a_study_is_taken_up_where_it_was(opened, tmp_path, url):
    rater = enter(opened.store)
    answer(opened.store, rater, 4)
    before = opened.store.study()
    invites = opened.store.invites()
    opened.store.close()
    again = take_up(tmp_path / "study", store=url)
    assert again.store.study() == before and again.store.invites() == invites
    assert again.store.standing(rater).done == 4 and again.media == opened.media
    again.store.close()


def test_sqlite_is_in_wal_mode_and_flushes_every_commit(tmp_path, systems):
    study = a_study(tmp_path / "study", systems)
    connection = study.store._database._connection
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA secure_delete").fetchone() == (1,)
    study.store.close()


def test_a_changed_stimulus_is_found(tmp_path, systems):
    study = a_study(tmp_path / "study", systems)
    study.store.close()
    file = next((tmp_path / "study" / "stimuli").glob("*.png"))
    raw = bytearray(file.read_bytes())
    raw[-20] ^= 1
    file.write_bytes(raw)
    with pytest.raises(StorageError, match="not the stimulus that was shown"):
        take_up(tmp_path / "study")


def test_another_store_is_not_taken_for_the_study_s_own(tmp_path, systems):
    for name in ("one", "two"):
        a_study(tmp_path / name, systems).store.close()
    with pytest.raises(StorageError, match="holds no such study"):
        take_up(tmp_path / "one", store=str(tmp_path / "two" / "study.sqlite"))
    with pytest.raises(StorageError, match="there is a study already"):
        a_study(tmp_path / "three", systems, store=str(tmp_path / "two" / "study.sqlite"))
    (tmp_path / "one" / "study.sqlite").unlink()
    with pytest.raises(StorageError, match="the answers are not in this folder"):
        take_up(tmp_path / "one")


def test_a_damaged_database_is_a_storage_error(tmp_path, systems):
    a_study(tmp_path / "study", systems).store.close()
    (tmp_path / "study" / "study.sqlite").write_bytes(b"not a database at all, for sure" * 40)
    with pytest.raises(StorageError, match="the database failed"):
        take_up(tmp_path / "study")


def test_an_unreachable_database_is_a_storage_error_without_the_password(tmp_path, systems):
    pytest.importorskip("psycopg")
    with pytest.raises(StorageError) as caught:
        a_study(tmp_path / "study", systems, store=f"postgresql://rater:secret@/x?host={tmp_path}")
    assert "secret" not in str(caught.value) and "the database failed" in str(caught.value)


def test_postgres_without_psycopg_says_what_to_install(tmp_path, systems, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingDependencyError, match=r"genwright\[postgres\]"):
        a_study(tmp_path / "study", systems, store="postgresql://localhost/x")


def test_a_folder_with_other_files_is_left_alone_and_an_unfinished_one_set_up_anew(tmp_path, systems):
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(ArgumentError, match=r"thesis\.txt"):
        a_study(folder, systems)
    (folder / "thesis.txt").unlink()
    a_study(folder, systems).store.close()
    (folder / "protocol.json").unlink()  # as if setting up had been interrupted
    assert not holds_study(folder)
    a_study(folder, systems).store.close()
    assert holds_study(folder)


def test_a_lost_connection_is_made_anew(opened):
    store = opened.store
    rater = enter(store)
    store._database._drop()
    assert store.standing(rater).total == 16
    connection = store._database._connection
    connection.close()
    with pytest.raises(StorageError, match="the database failed"):
        answer(store, rater)
    assert not store.study().ratings
    assert len(answer(store, rater, 2)) == 2


def test_sqlite_locked_by_another_process_is_told_and_nothing_is_kept(tmp_path, systems, monkeypatch):
    monkeypatch.setattr("genwright.rating.database.BUSY_SECONDS", 0.05)
    study = a_study(tmp_path / "study", systems)
    rater = enter(study.store)
    other = sqlite3.connect(tmp_path / "study" / "study.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="locked"):
        answer(study.store, rater)
    other.execute("ROLLBACK")
    other.close()
    assert len(answer(study.store, rater)) == 1
    study.store.close()
