// For sqlite3_column_origin_name, which Debian's library has.
#define SQLITE_ENABLE_COLUMN_METADATA 1
#include <sqlite3.h>

// Swift imports no variadic functions.

/// Takes from a connection what expressions must not have: texts in double quotes, extensions, a writable schema.
static inline int penstock_sqlite_harden(sqlite3 *db) {
  const int settings[][2] = {
      {SQLITE_DBCONFIG_DQS_DML, 0},
      {SQLITE_DBCONFIG_DQS_DDL, 0},
      {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
      {SQLITE_DBCONFIG_DEFENSIVE, 1},
  };
  for (unsigned i = 0; i < sizeof settings / sizeof settings[0]; i++) {
    const int status = sqlite3_db_config(db, settings[i][0], settings[i][1], (int *)0);
    if (status != SQLITE_OK) return status;
  }
  return SQLITE_OK;
}
