"""What is said to SQLite about rows. The numbers of states are those of `state.State`."""

ANY_ROW = "SELECT 1 FROM rows LIMIT 1"
ANY_BEGUN = "SELECT 1 FROM rows WHERE state > 1 OR began > 0 OR tries > 0 LIMIT 1"
FACTS = "SELECT name, value FROM facts"
STATE_FACT = "INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)"
ADD_ROW = "INSERT INTO rows (number, key, state, text) VALUES (?, ?, ?, ?)"
INTEND = """UPDATE rows SET state = 3, provider = ?,
    began = CASE began WHEN 0 THEN ? ELSE began END WHERE number = ?"""
SETTLE = """UPDATE rows SET state = ?, tries = ?, provider = ?, code = ?, enhanced = ?, text = ?,
    due = ?, rest = ?, flaw = ? WHERE number = ?"""
LEASE_AGAIN = "UPDATE rows SET state = 2 WHERE number = ?"
UNLEASE = "UPDATE rows SET state = CASE tries WHEN 0 THEN 0 ELSE 4 END WHERE state = 2"
LOSE_SENDING = "UPDATE rows SET state = 7, code = NULL, enhanced = '', text = ? WHERE state = 3"
LOSE_LEASED = """UPDATE rows SET state = 7, code = NULL, enhanced = '', text = ?
    WHERE state = 2 OR (state = 0 AND number <= ?)"""
STANDINGS = """SELECT number, key, state, tries, began, due, rest, flaw FROM rows
    WHERE number > ? ORDER BY number LIMIT ?"""
RECORDS = """SELECT number, key, state, tries, provider, code, enhanced, text FROM rows
    WHERE state IN (SELECT value FROM json_each(?)) AND number > ? ORDER BY number LIMIT ?"""
COUNTS = "SELECT state, count(*) FROM rows WHERE number BETWEEN ? AND ? GROUP BY state"
OPEN_DUE = """SELECT min(due) FROM rows
    WHERE state IN (0, 2, 4) AND due <= ? AND number BETWEEN ? AND ?"""
# Of a deferred row the rest is tried again; what was said of the others still holds.
REOPEN = """UPDATE rows SET state = 0, due = 0, tries = 0,
    flaw = CASE state WHEN 4 THEN flaw ELSE '' END
    WHERE state = ? AND number BETWEEN ? AND ?"""
SPEND = """INSERT INTO spent (provider, period, slot, count) VALUES (?, ?, ?, ?)
    ON CONFLICT (provider, period, slot) DO UPDATE SET count = excluded.count"""
SPENT = (
    "SELECT slot, count FROM spent WHERE provider = ? AND period = ? AND slot >= ? ORDER BY slot"
)
SPENT_LATER = (
    "SELECT ifnull(sum(count), 0) FROM spent WHERE provider = ? AND period = ? AND slot > ?"
)
FORGET_LATER = "DELETE FROM spent WHERE provider = ? AND period = ? AND slot > ?"
SPEND_MORE = """INSERT INTO spent (provider, period, slot, count) VALUES (?, ?, ?, ?)
    ON CONFLICT (provider, period, slot) DO UPDATE SET count = count + excluded.count"""
HURRY = "UPDATE rows SET due = 0 WHERE state = 4 AND due > ?"
FORGET_SPENT = "DELETE FROM spent WHERE provider = ? AND period = ? AND slot < ?"

# Who has a verdict keeps it; whoever is to be skipped now is, unless it is too late for that.
# A row skipped as the same once more has the key of another row, but not its verdict.
ADOPT_BEFORE = (
    "DROP TABLE IF EXISTS temp.fresh",
    "CREATE TEMP TABLE fresh (number INTEGER PRIMARY KEY, key TEXT, state INTEGER, text TEXT)",
)
ADOPT_ROW = "INSERT INTO temp.fresh (number, key, state, text) VALUES (?, ?, ?, ?)"
ADOPT_AFTER = (
    "CREATE INDEX rows_key ON rows (key)",
    """CREATE TEMP TABLE joined AS SELECT f.number, f.key,
        CASE WHEN k.state IN (5, 6, 7) THEN k.state WHEN f.state = 1 THEN 1
            ELSE ifnull(k.state, 0) END AS state,
        ifnull(k.tries, 0) AS tries, ifnull(k.began, 0) AS began, ifnull(k.due, 0) AS due,
        ifnull(k.provider, '') AS provider, k.code, ifnull(k.enhanced, '') AS enhanced,
        CASE WHEN f.state = 1 OR k.text IS NULL THEN f.text ELSE k.text END AS text,
        ifnull(k.rest, '') AS rest, ifnull(k.flaw, '') AS flaw
        FROM temp.fresh AS f LEFT JOIN rows AS k
        ON k.key = f.key AND k.state != 1 AND (f.state != 1 OR f.text = 'suppressed')""",
    "DROP INDEX rows_key",
    "DELETE FROM rows",
    "INSERT OR IGNORE INTO rows SELECT * FROM temp.joined",
    "DROP TABLE temp.joined",
    "DROP TABLE temp.fresh",
)
