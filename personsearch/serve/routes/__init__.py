"""The routes of the service, a file for each topic."""

from personsearch.serve.routes import gallery, page, people, pictures, queries, scenes, upkeep

#: All of them.
ROUTERS = tuple(topic.router for topic in (gallery, queries, pictures, scenes, people, upkeep, page))
