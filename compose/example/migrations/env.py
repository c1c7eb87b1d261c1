"""Alembic's entry: runs what is missing, in one transaction, and never two at the same time."""

import logging
import os

from alembic import context
from sqlalchemy import create_engine, text

logging.basicConfig(format="%(message)s")
logging.getLogger("alembic").setLevel(logging.INFO)  # which revisions it ran; bluegreen show keeps it
LOCK = 4711  # any number of our own: who comes second waits, and finds nothing left to do

url = os.environ.get("DATABASE_URL", "postgresql://shop@localhost/shop").replace(
    "postgresql://", "postgresql+psycopg://"
)
with create_engine(url).begin() as connection:
    connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
