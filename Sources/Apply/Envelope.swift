/// What one target transaction may hold; every writer asks it before adding a row, so an oversized batch can't be
/// built.
///
/// DSQL's limits are of its user guide's quotas page: 3,000 rows and 10 MiB for a transaction, 10 MiB for a protocol
/// message, 2 MiB for a row.
package struct Envelope: Hashable, Sendable {
  /// Rows that a transaction may change, our own state row not counted.
  package var rowsMax: Int
  /// Bytes that a batch aims at. More brings no speed, only memory.
  package var bytesAim: Int
  /// Bytes that a transaction may hold at all.
  package var bytesMax: Int

  package init(rowsMax: Int, bytesAim: Int, bytesMax: Int) {
    self.rowsMax = rowsMax
    self.bytesAim = bytesAim
    self.bytesMax = bytesMax
  }

  /// DSQL counts 3,000 rows with our state row among them, and accounts overhead beside the raw bytes, so 8 of its
  /// 10 MiB are used.
  package static func dsql(batchSize: Int) -> Envelope {
    Envelope(rowsMax: max(1, min(batchSize, 2_999)), bytesAim: 2 << 20, bytesMax: 8 << 20)
  }

  /// PostgreSQL has no such limits but the 1 GiB of a message.
  package static func postgres(batchSize: Int) -> Envelope {
    Envelope(rowsMax: max(1, batchSize), bytesAim: 2 << 20, bytesMax: 1 << 29)
  }

  /// Whether a row of `bytes` may join a batch that holds `rows` rows and `total` bytes.
  ///
  /// The first row of a batch may exceed the aim, never the limit.
  package func admits(_ bytes: Int, rows: Int, total: Int) -> Bool {
    if rows == 0 { return bytes <= bytesMax }
    return rows < rowsMax && total + bytes <= bytesAim
  }
}
