"""
chap-core's own routes for services that register, and for the model templates that it stores of them, on a free port that it
prints. Its database is SQLite in memory; a dictionary stands in for Redis.
"""

import fnmatch
import logging
import os
import socket

# It connects when its modules are loaded.
os.environ.pop("CHAP_DATABASE_URL", None)

import uvicorn
from fastapi import FastAPI
from sqlalchemy.pool import StaticPool
from sqlmodel import Session, SQLModel, create_engine

from chap_core.rest_api.services.orchestrator import Orchestrator
from chap_core.rest_api.v1.routers import crud
from chap_core.rest_api.v1.routers.dependencies import get_session
from chap_core.rest_api.v2 import dependencies
from chap_core.rest_api.v2.routers import services

logging.disable(logging.CRITICAL)


class Memory:
    """What the registry uses of Redis; nothing expires."""

    def __init__(self):
        self.values = {}

    def get(self, key):
        return self.values.get(key)

    def set(self, key, value, ex=None):
        self.values[key] = value

    def delete(self, key):
        return 0 if self.values.pop(key, None) is None else 1

    def scan_iter(self, pattern):
        return fnmatch.filter(list(self.values), pattern)

    def multi(self):
        pass

    def transaction(self, steps, *watched):
        steps(self)


engine = create_engine("sqlite://", connect_args={"check_same_thread": False}, poolclass=StaticPool)
SQLModel.metadata.create_all(engine)
registry = Orchestrator(Memory())
# The sync of templates looks this one up itself, past the overrides of FastAPI.
dependencies.get_registry_reader = lambda: registry


def session():
    with Session(engine) as opened:
        yield opened


app = FastAPI()
app.include_router(services.router, prefix="/v2")
app.include_router(crud.router, prefix="/v1")
app.dependency_overrides[get_session] = session
app.dependency_overrides[dependencies.get_orchestrator] = lambda: registry

listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[listening])
