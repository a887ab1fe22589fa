"""web's own settings: the gateway it is a client of, and the key of its cookies."""

from pydantic import Field, SecretStr

from servicekit.settings import Settings


class WebSettings(Settings):
    """See servicekit.settings."""

    gateway_url: str = Field(
        default="http://127.0.0.1:8080", description="The gateway as this process reaches it."
    )
    cookie_key: SecretStr = Field(
        min_length=32,
        description="Encrypts session cookies and signs form tokens; the same on every replica.",
    )
    signup_plan: str = Field(
        default="starter", description="The Plan that a sign-up from the front page gets."
    )
    gateway_timeout: float = Field(
        default=10, gt=0, description="How long one request to the gateway may take."
    )

    @property
    def secure_cookies(self) -> bool:
        """Whether browsers reach us by TLS, so that cookies may be kept to it."""
        return self.public_url.startswith("https://")
