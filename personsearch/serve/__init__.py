"""A gallery as a REST service with a page: ``personsearch serve GALLERY`` (FastAPI, the extra ``[serve]``)."""

from personsearch.errors import MissingExtraError

try:
    import fastapi  # noqa: F401
    import prometheus_client  # noqa: F401
    import python_multipart  # noqa: F401
    import uvicorn  # noqa: F401
except ImportError as error:
    raise MissingExtraError(
        f"the service needs {error.name}, which is not installed: pip install 'personsearch[serve]'"
    ) from None

from personsearch.serve.access import Access
from personsearch.serve.app import create_app

__all__ = ["Access", "create_app"]
