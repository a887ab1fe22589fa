"""What may go wrong, each with a sentence that says what to do. click prints it and exits; see `app.main`."""

import click


class PluginError(click.ClickException):
    """Ends the command with exit code 1; the text is one sentence or two for the person at the terminal."""

    printed = ""
    """What a command in the operator's pod had written on stdout before it failed."""

    def show(self, file: object = None) -> None:
        """On stderr, without a prefix: the sentence is complete."""
        del file
        click.echo(self.message, err=True)


class NotFoundError(PluginError):
    """The API server knows no object of that name."""


class ConflictError(PluginError):
    """The object has changed since it was read, or is another one under the same name."""
