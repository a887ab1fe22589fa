"""What a person reads of an error: on web's pages, and on the gateway's where those cannot be had.

Title and text, by status. What a program reads stands in servicekit.http.problems.
"""

EXPECTED = {
    401: ("Please sign in", "You have to be signed in to see this."),
    403: ("This is not for you", "Your role does not let you do this."),
    404: ("There is nothing here", "The address may be mistyped, or what stood here is gone."),
    405: ("This cannot be done here", "Go back and try it from the page."),
    429: ("Too many requests", "Wait a moment, then try again."),
}
TOO_LARGE = "This is too much"
UNEXPECTED = ("Something went wrong", "It is our fault, not yours. Try again, or tell us the id below.")
DOWN = (
    "We will be right back",
    "The booking system does not answer at the moment. Nothing is lost: try again in a few seconds.",
)
FROM_ONE_PLACE = (
    "In the last minute too much was asked from your internet connection, which others may use as well."
)


def wait(why: str, seconds: str) -> str:
    return f"{why} Wait {seconds} s, then try again."
