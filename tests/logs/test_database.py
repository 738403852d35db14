"""DuckDB files and queries: one SELECT or one table, no other file, no extension."""

import duckdb
import pandas as pd
import pytest
from log_files import COLUMNS, draw_log
from test_log_files import account

from netlift.core.errors import NetliftError
from netlift.logs.source import connection, restrict


@pytest.fixture(scope="module")
def log():
    return draw_log(33, 100, n_users=30)[0]


@pytest.fixture
def team(log, tmp_path):
    """A DuckDB file with the log in several tables and views, and a file next to it."""
    path = tmp_path / "team.duckdb"
    secret = tmp_path / "secret.csv"
    log.to_csv(secret, index=False)
    with duckdb.connect(str(path)) as con:
        con.register("given", log)
        con.execute("CREATE TABLE events AS SELECT * FROM given")
        con.execute('CREATE TABLE "v1.events; x" AS SELECT * FROM given')
        con.execute("CREATE SCHEMA web")
        con.execute("CREATE TABLE web.shown AS SELECT * FROM given")
        con.execute("CREATE VIEW web.clean AS SELECT * FROM web.shown WHERE rank > 0")
        for schema in ("a", "b"):
            con.execute(f"CREATE SCHEMA {schema}")
            con.execute(f"CREATE TABLE {schema}.twice AS SELECT * FROM given LIMIT 0")
        con.execute(f"CREATE VIEW stolen AS SELECT * FROM read_csv('{secret}')")
        con.execute(f"CREATE VIEW text AS SELECT content FROM read_text('{secret}')")
        con.execute(f"CREATE MACRO other() AS TABLE SELECT * FROM read_csv('{secret}')")
    return path


@pytest.mark.parametrize(
    "table",
    ["events", "EVENTS", "main.events", "web.shown", "clean", '"web"."clean"', "v1.events; x"],
)
def test_a_table_is_found_by_its_name(table, team, log, tmp_path):
    assert account(tmp_path, team, table=table)[1] == len(log)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("event", "did you mean 'events'"),
        ("twice", "several schemas have it"),
        ("events; DROP TABLE events", "is not one table or view"),
        ("(SELECT 1)", "is not one table or view"),
        ("read_csv('x.csv')", "is not one table or view"),
        ("web.other.shown", "is not one table or view"),
    ],
)
def test_anything_else_is_not_a_table(table, message, team, tmp_path):
    with pytest.raises(NetliftError, match=message):
        account(tmp_path, team, table=table)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM events",
        "FROM events;",
        "WITH e AS (SELECT * FROM web.shown) SELECT * FROM e -- the events",
        "SELECT * FROM events WHERE sku <> ';' /* all */ ;",
        "(SELECT * FROM events)",
    ],
)
def test_a_query_is_one_select(query, team, log, tmp_path):
    assert account(tmp_path, team, query=query)[1] == len(log)


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE events",
        "SELECT * FROM events; SELECT 1",
        "SELECT 1; COPY events TO '{folder}/out.csv'",
        "COPY events TO '{folder}/out.csv'",
        "INSERT INTO events SELECT * FROM events",
        "CREATE TABLE x AS SELECT 1",
        "ATTACH '{folder}/x.duckdb'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "EXPLAIN ANALYZE SELECT 1",
        "-- nothing",
        ";",
    ],
)
@pytest.mark.parametrize("with_file", [True, False])
def test_anything_else_is_refused(query, with_file, team, tmp_path):
    before = team.read_bytes()
    with pytest.raises(NetliftError, match="query: must be one SELECT statement"):
        account(tmp_path, team if with_file else [], query=query.format(folder=tmp_path))
    assert team.read_bytes() == before
    assert not (tmp_path / "out.csv").exists()


def test_what_is_not_sql_is_refused(team, tmp_path):
    with pytest.raises(NetliftError, match="query: is not valid SQL"):
        account(tmp_path, team, query="SELEC * FROM events")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM stolen",
        "SELECT * FROM text",
        "SELECT * FROM other()",
        "SELECT * FROM '{folder}/secret.csv'",
        "SELECT * FROM read_csv('{folder}/secret.csv')",
        "SELECT * FROM glob('{folder}/*')",
        "SELECT * FROM query('SELECT * FROM stolen')",
        "SELECT * FROM read_csv('https://example.org/log.csv')",
        "SELECT * FROM postgres_scan('host=127.0.0.1', 'public', 'events')",
        "SELECT * FROM local_table",
    ],
)
def test_a_duckdb_file_reads_no_other_file(query, team, log, tmp_path):
    local_table = log  # noqa: F841 (a query must not find it)
    with pytest.raises(NetliftError, match="unreadable_file"):
        account(tmp_path, team, query=query.format(folder=tmp_path))
    if "stolen" in query:
        with pytest.raises(NetliftError, match="unreadable_file"):
            account(tmp_path, team, table="stolen")


def test_a_query_without_a_path_names_its_files(team, log, tmp_path):
    query = f"SELECT * FROM read_csv('{tmp_path}/secret.csv')"
    assert account(tmp_path, [], query=query)[1] == len(log)
    with pytest.raises(NetliftError, match="unreadable_file"):
        account(tmp_path, [], query="SELECT * FROM read_csv('https://example.org/log.csv')")


def test_clusters_may_come_from_a_file_beside_the_database(team, log, tmp_path):
    log[["sku", "dept, name"]].drop_duplicates("sku").to_parquet(tmp_path / "items[1].parquet")
    items = {"path": str(tmp_path / "items[1].parquet"), "item": "sku", "cluster": "dept, name"}
    columns = {role: column for role, column in COLUMNS.items() if role != "cluster"}
    expected, _ = account(tmp_path, team, table="events")
    accounts, _ = account(tmp_path, team, table="events", columns=columns, items=items)
    pd.testing.assert_frame_equal(accounts, expected)


def test_rows_that_are_not_yet_in_the_main_file_are_read(team, log, tmp_path):
    """DuckDB keeps the last rows in a file next to the main one until they are moved there."""
    import shutil

    with duckdb.connect(str(team)) as con:
        con.execute("SET wal_autocheckpoint = '1TB'")
        con.execute("INSERT INTO events SELECT * REPLACE ('t' || \"Impression ID\" AS "
                    '"Impression ID") FROM events')  # fmt: skip
        shutil.copy(f"{team}.wal", tmp_path / "copy.duckdb.wal")
        shutil.copy(team, tmp_path / "copy.duckdb")
    assert account(tmp_path, tmp_path / "copy.duckdb", table="events")[1] == 2 * len(log)


def test_two_duckdb_files_are_refused(team, tmp_path):
    import shutil

    shutil.copy(team, tmp_path / "other.duckdb")
    with pytest.raises(NetliftError, match="2 DuckDB files match"):
        account(tmp_path, tmp_path / "*.duckdb", table="events")


def test_settings_are_fixed_once_sql_of_others_may_run(tmp_path):
    with connection(memory_mb=200, threads=1, folder=tmp_path) as (con, _):
        restrict(con, files=False)
        for setting in ("autoload_known_extensions = true", "memory_limit = '9GB'"):
            with pytest.raises(duckdb.Error, match="locked"):
                con.execute(f"SET {setting}")
        for statement in ("INSTALL httpfs", "LOAD httpfs", f"ATTACH '{tmp_path}/new.duckdb'"):
            with pytest.raises(duckdb.Error):
                con.execute(statement)
    assert not list(tmp_path.iterdir())
