"""What can go wrong in an action, with the reason that stands in the conditions; every one is tried again."""


class ActionFailedError(Exception):
    """`reason` is CamelCase; the text is a sentence that names what to look at."""

    reason = "ActionFailed"


class KafkaFailedError(ActionFailedError):
    """Kafka is away or refused."""

    reason = "KafkaUnavailable"


class ClusterFailedError(ActionFailedError):
    """The API server is away or refused."""

    reason = "ApiServerUnavailable"


class ConflictError(ClusterFailedError):
    """The object has changed since it was read, or exists already."""

    reason = "Conflict"


class NotFoundError(ClusterFailedError):
    """There is no such object, or none any more."""

    reason = "NotFound"


class ForbiddenError(ClusterFailedError):
    """The operator lacks the right, whatever the object; somebody may give it any time."""

    reason = "Refused"


class StatusUnwrittenError(ClusterFailedError):
    """A status could not be written, and neither could another that says so. What it was to say is still true."""


class RefusedError(ClusterFailedError):
    """The API server's rules do not allow the object; its text says which."""

    reason = "Refused"
