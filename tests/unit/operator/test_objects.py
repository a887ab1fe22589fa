"""The objects as last seen: of what comes in any order the newest stays, and what has gone does not come back."""

from tenant_operator.domain import Body
from tenant_operator.objects import Objects
from tenant_operator.workqueue import Key

KEY = Key("Tenant", "riverside")


def seen(version: int, uid: str = "one", name: str = KEY.name) -> Body:
    return {
        "metadata": {"name": name, "uid": uid, "resourceVersion": str(version), "generation": 1},
        "spec": {"version": version},
    }


def known(objects: Objects, key: Key = KEY) -> int | None:
    """The version as last seen."""
    body = objects.get(key)
    return None if body is None else int(body["spec"]["version"])


def test_what_comes_behind_a_newer_version_is_passed_over() -> None:
    """Versions are numbers: as texts, 9 would come behind 10."""
    objects = Objects()
    assert objects.put(KEY, seen(9))
    assert objects.put(KEY, seen(10))
    assert not objects.put(KEY, seen(10))
    assert not objects.put(KEY, seen(9))
    assert known(objects) == 10


def test_the_answer_to_a_write_does_not_bring_back_what_has_gone_meanwhile() -> None:
    objects = Objects()
    objects.put(KEY, seen(1))
    objects.update(KEY, seen(2))
    assert known(objects) == 2
    assert objects.drop(KEY, "one")
    objects.update(KEY, seen(3))
    assert known(objects) is None
    objects.put(KEY, seen(4, uid="two"))
    objects.update(KEY, seen(5))
    assert known(objects) == 4, "another object has the name by now"


def test_the_end_of_an_object_is_not_that_of_the_next_of_its_name() -> None:
    objects = Objects()
    objects.put(KEY, seen(5, uid="two"))
    assert not objects.drop(KEY, "one")
    assert known(objects) == 5
    assert objects.drop(KEY, "two")
    assert not objects.drop(KEY, "two")


def test_a_list_removes_what_it_lacks_unless_that_is_younger() -> None:
    objects, newer, made_since = Objects(), Key("Tenant", "hillside"), Key("Tenant", "lakeside")
    objects.put(KEY, seen(1))
    objects.put(newer, seen(7, name=newer.name))
    objects.put(made_since, seen(8, name=made_since.name))
    objects.put(Key("Plan", "pro"), seen(1, name="pro"))
    assert objects.replace_all("Tenant", [seen(2, name=newer.name)], 6) == {KEY, newer, made_since}
    assert [known(objects, key) for key in (KEY, newer, made_since)] == [None, 7, 8]
    assert known(objects, Key("Plan", "pro")) == 1
