"""kubectl's failures, in its own words of 1.34 and 1.37, become one sentence that says what to do."""

import pytest

from kubectl_slotwright.errors import ConflictError, NotFoundError, PluginError
from kubectl_slotwright.kubectl import Kubectl, failure

MEMCACHE = (
    'E1127 10:49:51.738926   30776 memcache.go:381] "Couldn\'t get current server API group list" err="Get'
    ' \\"https://127.0.0.1:1/api?timeout=32s\\": dial tcp 127.0.0.1:1: connect: connection refused"\n'
)

CASES = {
    "no such tenant": (
        'Error from server (NotFound): tenants.slotwright.io "rivrside" not found\n',
        "There is no tenant named rivrside; `kubectl slotwright status` lists them.",
    ),
    "no CRDs, 1.37": (
        'error: the server doesn\'t have a resource type "tenants" in group "slotwright.io"\n',
        "This cluster knows no Tenants: install the chart crds there, or choose another --context.",
    ),
    "no CRDs": (
        'error: the server doesn\'t have a resource type "tenants"\n',
        "This cluster knows no Tenants: install the chart crds there, or choose another --context.",
    ),
    "no such context": (
        "Error in configuration: context was not found for specified context: nope\n",
        "There is no such context; `kubectl config get-contexts` lists those that there are.",
    ),
    "an older kubectl, no such context": (
        'error: context "nope" does not exist\n',
        "There is no such context; `kubectl config get-contexts` lists those that there are.",
    ),
    "signed out": (
        "error: You must be logged in to the server (Unauthorized)\n",
        "The cluster does not accept your credentials; sign in anew, or choose another --context.",
    ),
    "a credential plugin that failed": (
        "Unable to connect to the server: getting credentials: exec: executable aws failed with exit code 255\n",
        "The cluster does not accept your credentials; sign in anew, or choose another --context.",
    ),
    "refused, with client-go's own log before it": (
        MEMCACHE * 3
        + "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?\n",
        "The API server cannot be reached (127.0.0.1:1 refuses connections); check --context, --kubeconfig and your"
        " network.",
    ),
    "nothing configured": (
        "The connection to the server localhost:8080 was refused - did you specify the right host or port?\n",
        "kubectl knows no cluster; give --kubeconfig or --context, or set KUBECONFIG.",
    ),
    "an unknown name": (
        "Unable to connect to the server: dial tcp: lookup k8s.example: no such host\n",
        "The API server cannot be reached (Unable to connect to the server: dial tcp: lookup k8s.example: no such"
        " host); check --context, --kubeconfig and your network.",
    ),
    "no kubeconfig": (
        "error: stat /nonexistent: no such file or directory\n",
        "The kubeconfig cannot be read (stat /nonexistent: no such file or directory); check --kubeconfig and"
        " KUBECONFIG.",
    ),
    "no right": (
        'Error from server (Forbidden): tenants.slotwright.io "a" is forbidden: User "x" cannot patch resource\n',
        'You may not do that (tenants.slotwright.io "a" is forbidden: User "x" cannot patch resource); ask whoever'
        " gives rights in this cluster.",
    ),
    "a rule of the CRD": (
        'The Tenant "a" is invalid: spec.plan: Invalid value: "": should be at least 1 chars long\n',
        'The API server refuses it: The Tenant "a" is invalid: spec.plan: Invalid value: "": should be at least 1'
        " chars long.",
    ),
    "nothing said": ("", "kubectl get failed: it gave no reason."),
    "something new": ("error: the moon is full.\n", "kubectl get failed: the moon is full."),
}


@pytest.mark.parametrize("name", CASES)
def test_a_failure_is_one_sentence_that_says_what_to_do(name: str) -> None:
    said, sentence = CASES[name]
    assert failure("get", said).message == sentence


def test_kinds() -> None:
    assert isinstance(failure("get", CASES["no such tenant"][0]), NotFoundError)
    conflict = "Error from server (Conflict): Operation cannot be fulfilled: Precondition failed"
    assert isinstance(failure("patch", conflict), ConflictError)
    assert type(failure("get", CASES["no right"][0])) is PluginError


def test_what_a_command_in_the_pod_said_is_passed_on() -> None:
    said = "There is no dead letter analytics/0/7.\ncommand terminated with exit code 1\n"
    assert failure("exec", said).message == "There is no dead letter analytics/0/7."


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ("", "There is no operator of slotwright in the namespace apart; name one's with --namespace."),
        (
            "deployment.apps/a-operator\ndeployment.apps/b-operator\n",
            "There are 2 operators (deployment.apps/a-operator, deployment.apps/b-operator) in the namespace apart;"
            " name one's with --namespace.",
        ),
    ],
)
def test_a_namespace_without_one_operator_is_told(
    monkeypatch: pytest.MonkeyPatch, names: str, sentence: str
) -> None:
    monkeypatch.setattr(Kubectl, "run", lambda *_: names)
    with pytest.raises(PluginError) as refused:
        Kubectl(namespace="apart").in_operator("true")
    assert refused.value.message == sentence
