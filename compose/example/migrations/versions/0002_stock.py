"""Expand: a column that the release before does not know and does not miss. What contracts comes a release later."""

from alembic import op

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    op.execute("alter table items add column stock integer not null default 0")


def downgrade() -> None:
    op.execute("alter table items drop column stock")
