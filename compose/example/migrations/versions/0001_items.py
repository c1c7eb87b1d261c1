"""What the shop sells."""

from alembic import op

revision, down_revision = "0001", None


def upgrade() -> None:
    op.execute("create table items (id serial primary key, name text not null, price numeric(8, 2) not null)")
    op.execute("insert into items (name, price) values ('tea', 3.50), ('coffee', 4.20)")


def downgrade() -> None:
    op.execute("drop table items")
