import ChangeModel
import PenstockTestKit
import Postgres
import SQLMapping

/// A session in a new database of the shared server, with the settings of a source session.
func newSession(_ setup: String = "") throws -> Connection {
  let cluster = try TestCluster.shared
  let database = try cluster.createDatabase()
  let connection = try Connection(
    ConnectionSettings(
      role: .source,
      parameters: [
        ("host", "127.0.0.1"), ("port", "\(cluster.port)"), ("user", "postgres"), ("dbname", database),
      ]))
  for setting in sourceSessionSettings {
    try connection.query("SELECT set_config($1, $2, false)", [setting.name, setting.value])
  }
  if !setup.isEmpty { try connection.query(setup) }
  return connection
}

extension ValueConversion {
  /// The converted text, for tests.
  func text(_ value: String) throws(ConversionError) -> String {
    let bytes = Array(value.utf8)
    var output: [UInt8] = []
    try apply(bytes.span.bytes, into: &output)
    return String(decoding: output, as: UTF8.self)
  }
}
