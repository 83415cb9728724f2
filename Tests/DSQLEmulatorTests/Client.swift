import CLibPQ
import Foundation

/// A plain libpq client.
final class Client {
  private let raw: OpaquePointer

  /// What came back for one statement.
  struct Answer: Equatable, CustomStringConvertible {
    var tag = ""
    var rows: [[String?]] = []
    var sqlState: String?
    var message: String?
    var detail: String?
    var hint: String?

    var description: String {
      if let sqlState { return "\(sqlState) \(message ?? "")" }
      return "\(tag) \(rows)"
    }
  }
  struct ConnectFailure: Error, CustomStringConvertible {
    let description: String
  }

  init(_ parameters: [String: String]) throws {
    let names = parameters.keys.sorted()
    let keywords = names.map { strdup($0) } + [nil]
    let values = names.map { strdup(parameters[$0] ?? "") } + [nil]
    defer { for pointer in keywords + values { free(pointer) } }
    let connection = keywords.map { UnsafePointer($0) }.withUnsafeBufferPointer { keywords in
      values.map { UnsafePointer($0) }.withUnsafeBufferPointer { values in
        PQconnectdbParams(keywords.baseAddress, values.baseAddress, 0)
      }
    }
    guard let connection else { throw ConnectFailure(description: "out of memory") }
    raw = connection
    guard PQstatus(raw) == CONNECTION_OK else {
      let text = String(cString: PQerrorMessage(raw))
      throw ConnectFailure(description: text)
    }
    PQsetNoticeProcessor(raw, { _, _ in }, nil)
  }
  deinit { PQfinish(raw) }

  var isConnected: Bool { PQstatus(raw) == CONNECTION_OK }
  /// I, T or E.
  var transactionStatus: PGTransactionStatusType { PQtransactionStatus(raw) }
  func parameter(_ name: String) -> String? { PQparameterStatus(raw, name).map { String(cString: $0) } }

  // MARK: Simple protocol

  /// All answers to a query string; a lost connection is an answer without SQLSTATE.
  func all(_ sql: String) -> [Answer] {
    guard PQsendQuery(raw, sql) == 1 else { return [lost()] }
    return results()
  }

  /// The last answer.
  @discardableResult
  func run(_ sql: String) -> Answer { all(sql).last ?? Answer() }

  /// COPY FROM STDIN with these lines.
  /// - Parameter giveUp: ends it with this error instead.
  func copy(_ sql: String, _ data: String, extended: Bool = false, giveUp: String? = nil) -> Answer {
    let start = extended ? PQexecParams(raw, sql, 0, nil, nil, nil, nil, 0) : PQexec(raw, sql)
    defer { PQclear(start) }
    guard PQresultStatus(start) == PGRES_COPY_IN else { return answer(start) }
    let bytes = Array(data.utf8).map { CChar(bitPattern: $0) }
    PQputCopyData(raw, bytes, Int32(bytes.count))
    PQputCopyEnd(raw, giveUp)
    return results().last ?? Answer()
  }

  /// Sends a query string and does not wait for its answer.
  func send(_ sql: String) { PQsendQuery(raw, sql) }

  /// COPY TO STDOUT.
  func copyOut(_ sql: String) -> String {
    let start = PQexec(raw, sql)
    defer { PQclear(start) }
    var text = ""
    var row: UnsafeMutablePointer<CChar>?
    while case let size = PQgetCopyData(raw, &row, 0), size > 0, let bytes = row {
      text += String(decoding: UnsafeRawBufferPointer(start: bytes, count: Int(size)), as: UTF8.self)
      PQfreemem(row)
    }
    _ = results()
    return text
  }

  // MARK: Extended protocol

  /// One statement with text parameters, in a flight of its own.
  func extended(_ sql: String, _ parameters: [String?] = []) -> Answer {
    let values = parameters.map { $0.flatMap { strdup($0) } }
    defer { for value in values { free(value) } }
    let sent = values.map { UnsafePointer($0) }.withUnsafeBufferPointer {
      PQsendQueryParams(raw, sql, Int32(parameters.count), nil, $0.baseAddress, nil, nil, 0)
    }
    return sent == 1 ? results().last ?? Answer() : lost()
  }

  /// Several statements before one Sync. Each answers; after an error the rest answer `aborted`.
  func pipeline(_ statements: [String]) -> [Answer] {
    guard PQenterPipelineMode(raw) == 1 else { return [lost()] }
    for sql in statements { PQsendQueryParams(raw, sql, 0, nil, nil, nil, nil, 0) }
    PQpipelineSync(raw)
    var answers: [Answer] = []
    while let result = next() {
      let status = PQresultStatus(result)
      if status == PGRES_PIPELINE_SYNC {
        PQclear(result)
        break
      }
      answers.append(status == PGRES_PIPELINE_ABORTED ? Answer(tag: "aborted") : answer(result))
      PQclear(result)
      if !isConnected { return answers }
    }
    PQexitPipelineMode(raw)
    return answers
  }

  /// The next result, past the null that ends each statement; `nil` when two come in a row.
  private func next() -> OpaquePointer? { PQgetResult(raw) ?? PQgetResult(raw) }

  private func results() -> [Answer] {
    var answers: [Answer] = []
    while let result = PQgetResult(raw) {
      answers.append(answer(result))
      let isCopy = [PGRES_COPY_IN, PGRES_COPY_OUT].contains(PQresultStatus(result))
      PQclear(result)
      if isCopy { break }
    }
    return answers.isEmpty && !isConnected ? [lost()] : answers
  }

  private func lost() -> Answer { Answer(message: String(cString: PQerrorMessage(raw))) }

  private func answer(_ result: OpaquePointer?) -> Answer {
    func field(_ code: Character) -> String? {
      PQresultErrorField(result, Int32(code.asciiValue ?? 0)).map { String(cString: $0) }
    }
    var answer = Answer(tag: PQcmdStatus(result).map { String(cString: $0) } ?? "")
    if PQresultStatus(result) == PGRES_FATAL_ERROR {
      answer.sqlState = field("C")
      answer.message = field("M") ?? String(cString: PQresultErrorMessage(result))
      answer.detail = field("D")
      answer.hint = field("H")
    }
    answer.rows = (0..<PQntuples(result)).map { row in
      (0..<PQnfields(result)).map { column in
        PQgetisnull(result, row, column) == 1 ? nil : String(cString: PQgetvalue(result, row, column))
      }
    }
    return answer
  }
}
