// The limit to measure the DSQL load against: only the batched writes, nothing read, nothing decided.
//
// Reads a whole table from a source into ready parameters, untimed. Then writes it over some connections, each
// transaction being BEGIN, one INSERT .. SELECT unnest(binary array), .. of at most `rows` rows, COMMIT, sent at once,
// with the next one on its way before the last one's answer is read. Prints rows, seconds and processor seconds.
//
// usage: writer SOURCE TARGET TABLE CONNECTIONS ROWS
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { COLUMNS_MAX = 64, IN_FLIGHT = 2 };

typedef struct {
  char *bytes;
  size_t count, capacity;
} Buffer;

typedef struct {
  Buffer array[COLUMNS_MAX];
  int has_null[COLUMNS_MAX];
  int rows;
} Batch;

static Batch *batches;
static size_t batch_count;
static int columns, rows_max;
static Oid element_types[COLUMNS_MAX];
static char insert[16384];
static const char *target;
static size_t next_batch;
static pthread_mutex_t queue = PTHREAD_MUTEX_INITIALIZER;

static void fail(const char *what, PGconn *connection) {
  fprintf(stderr, "writer: %s: %s\n", what, connection ? PQerrorMessage(connection) : "");
  exit(1);
}

static void append(Buffer *buffer, const void *bytes, size_t count) {
  if (buffer->count + count > buffer->capacity) {
    buffer->capacity = (buffer->count + count) * 2;
    buffer->bytes = realloc(buffer->bytes, buffer->capacity);
    if (!buffer->bytes) fail("out of memory", NULL);
  }
  memcpy(buffer->bytes + buffer->count, bytes, count);
  buffer->count += count;
}

static void append_int(Buffer *buffer, int32_t value) {
  uint32_t big = htonl((uint32_t)value);
  append(buffer, &big, 4);
}

static int32_t read_int(const char *bytes) {
  uint32_t big;
  memcpy(&big, bytes, 4);
  return (int32_t)ntohl(big);
}

static PGconn *connect_to(const char *words) {
  PGconn *connection = PQconnectdb(words);
  if (PQstatus(connection) != CONNECTION_OK) fail("connect", connection);
  return connection;
}

static PGresult *query(PGconn *connection, const char *sql, ExecStatusType expected) {
  PGresult *result = PQexec(connection, sql);
  if (PQresultStatus(result) != expected) fail(sql, connection);
  return result;
}

// Column names and types, and from them the statement. Types are named as pg_type does: `bpchar`, not `character`,
// whose array would mean character(1).
static void describe(PGconn *source, const char *table) {
  char sql[1024];
  snprintf(sql, sizeof sql,
           "SELECT quote_ident(attname), atttypid, quote_ident(typname) FROM pg_attribute JOIN pg_type t ON t.oid = "
           "atttypid WHERE attrelid = '%s'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum", table);
  PGresult *result = query(source, sql, PGRES_TUPLES_OK);
  columns = PQntuples(result);
  char names[8192] = "", arrays[8192] = "", word[256];
  for (int i = 0; i < columns; i++) {
    element_types[i] = (Oid)strtoul(PQgetvalue(result, i, 1), NULL, 10);
    snprintf(word, sizeof word, "%s%s", i ? "," : "", PQgetvalue(result, i, 0));
    strcat(names, word);
    snprintf(word, sizeof word, "%sunnest($%d::%s[])", i ? "," : "", i + 1, PQgetvalue(result, i, 2));
    strcat(arrays, word);
  }
  snprintf(insert, sizeof insert, "INSERT INTO %s (%s) SELECT %s", table, names, arrays);
  PQclear(result);
}

static void start_batch(void) {
  static size_t capacity;
  if (batch_count == capacity) {
    capacity = capacity ? capacity * 2 : 256;
    batches = realloc(batches, capacity * sizeof *batches);
  }
  Batch *batch = &batches[batch_count++];
  memset(batch, 0, sizeof *batch);
  for (int c = 0; c < columns; c++) {
    append_int(&batch->array[c], 1);  // dimensions
    append_int(&batch->array[c], 0);  // has nulls, set at the end
    append_int(&batch->array[c], (int32_t)element_types[c]);
    append_int(&batch->array[c], 0);  // rows, set at the end
    append_int(&batch->array[c], 1);  // lower bound
  }
}

static void end_batch(Batch *batch) {
  for (int c = 0; c < columns; c++) {
    uint32_t nulls = htonl((uint32_t)batch->has_null[c]), rows = htonl((uint32_t)batch->rows);
    memcpy(batch->array[c].bytes + 4, &nulls, 4);
    memcpy(batch->array[c].bytes + 12, &rows, 4);
  }
}

// Fields of binary COPY and elements of binary arrays have the same form: length (-1 is NULL), bytes.
static void add_row(const char *row) {
  if (!batch_count || batches[batch_count - 1].rows == rows_max) {
    if (batch_count) end_batch(&batches[batch_count - 1]);
    start_batch();
  }
  Batch *batch = &batches[batch_count - 1];
  const char *field = row + 2;
  for (int c = 0; c < columns; c++) {
    int32_t length = read_int(field);
    size_t size = 4 + (length > 0 ? (size_t)length : 0);
    append(&batch->array[c], field, size);
    if (length < 0) batch->has_null[c] = 1;
    field += size;
  }
  batch->rows++;
}

static void read_table(PGconn *source, const char *table) {
  char sql[256];
  snprintf(sql, sizeof sql, "COPY %s TO STDOUT (FORMAT binary)", table);
  PQclear(query(source, sql, PGRES_COPY_OUT));
  char *row;
  int length, is_first = 1;
  // One message is one row; the first also holds the 19 bytes of the header, the last is only the trailer.
  while ((length = PQgetCopyData(source, &row, 0)) > 0) {
    const char *start = row + (is_first ? 19 : 0);
    is_first = 0;
    if (start < row + length && (int16_t)ntohs(*(const uint16_t *)start) >= 0) add_row(start);
    PQfreemem(row);
  }
  if (length != -1) fail("COPY", source);
  if (batch_count) end_batch(&batches[batch_count - 1]);
}

static void send_batch(PGconn *connection, const Batch *batch) {
  const char *values[COLUMNS_MAX];
  int lengths[COLUMNS_MAX], formats[COLUMNS_MAX];
  for (int c = 0; c < columns; c++) {
    values[c] = batch->array[c].bytes;
    lengths[c] = (int)batch->array[c].count;
    formats[c] = 1;
  }
  if (!PQsendQueryParams(connection, "BEGIN", 0, NULL, NULL, NULL, NULL, 0) ||
      !PQsendQueryPrepared(connection, "write", columns, values, lengths, formats, 0) ||
      !PQsendQueryParams(connection, "COMMIT", 0, NULL, NULL, NULL, NULL, 0) || !PQpipelineSync(connection))
    fail("send", connection);
}

static void read_answers(PGconn *connection) {
  for (int statement = 0; statement < 4; statement++) {
    PGresult *result = PQgetResult(connection);
    ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    if (status == PGRES_PIPELINE_SYNC) return;
    if (status != PGRES_COMMAND_OK) fail("write", connection);
    while ((result = PQgetResult(connection))) PQclear(result);
  }
}

static void *write_batches(void *ignored) {
  (void)ignored;
  PGconn *connection = connect_to(target);
  PGresult *prepared = PQprepare(connection, "write", insert, 0, NULL);
  if (PQresultStatus(prepared) != PGRES_COMMAND_OK) fail(insert, connection);
  PQclear(prepared);
  if (!PQenterPipelineMode(connection)) fail("pipeline", connection);
  int in_flight = 0;
  for (;;) {
    pthread_mutex_lock(&queue);
    size_t mine = next_batch < batch_count ? next_batch++ : batch_count;
    pthread_mutex_unlock(&queue);
    if (mine == batch_count) break;
    send_batch(connection, &batches[mine]);
    if (++in_flight == IN_FLIGHT) read_answers(connection), in_flight--;
  }
  while (in_flight-- > 0) read_answers(connection);
  PQfinish(connection);
  return NULL;
}

static double seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc != 6) {
    fprintf(stderr, "usage: writer SOURCE TARGET TABLE CONNECTIONS ROWS\n");
    return 2;
  }
  target = argv[2];
  rows_max = atoi(argv[5]);
  PGconn *source = connect_to(argv[1]);
  describe(source, argv[3]);
  read_table(source, argv[3]);
  PQfinish(source);

  size_t rows = 0;
  for (size_t i = 0; i < batch_count; i++) rows += (size_t)batches[i].rows;
  int connections = atoi(argv[4]);
  pthread_t threads[64];
  double began = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
  for (int i = 0; i < connections; i++) pthread_create(&threads[i], NULL, write_batches, NULL);
  for (int i = 0; i < connections; i++) pthread_join(threads[i], NULL);
  printf("%zu %.3f %.3f\n", rows, seconds(CLOCK_MONOTONIC) - began, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
  return 0;
}
