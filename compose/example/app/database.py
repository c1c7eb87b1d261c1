"""The one pool of connections to Postgres."""

import os

from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

pool = AsyncConnectionPool(
    os.environ.get("DATABASE_URL", "postgresql://shop@localhost/shop"),
    min_size=0, max_size=10, timeout=10, open=False, kwargs={"row_factory": dict_row},
)  # fmt: skip
