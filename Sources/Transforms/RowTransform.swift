internal import Apply
package import ChangeModel
package import SQLMapping

/// Why a row can't be transformed: a fault of its data, which names no value.
package struct RowTransformError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The output column, or `nil` when the filter failed.
  package var column: String?
  /// What happened, to go on after the column.
  package var reason: String

  package init(column: String?, reason: String) {
    self.column = column
    self.reason = reason
  }

  package var description: String {
    (column.map { "column \"\($0)\" can't be computed: " } ?? "the filter can't be computed: ") + reason
  }

  /// - Parameter key: what names the row; it is shown.
  package func failure(_ table: TableName, key: String?) -> Failure {
    Failure(
      .source, description, location: "\(table), \(key.map { "key \($0)" } ?? "a row without a key")",
      hint:
        "Change the expression under transform so that it covers such rows, with CASE, COALESCE or json_valid(), and start again.",
      state: "22000")
  }
}

/// A transform that is ready to run, for one thread: rows in, rows out, both in the form of `WireRow` with values as text.
///
/// Columns that only pass are copied; SQLite computes the others in one statement that is kept.
@safe package final class RowTransform {
  package let checked: CheckedTransform
  private let database: ExpressionDatabase
  /// Computes what is not copied, if anything is; it has a row unless the filter leaves it out.
  private let statement: ExpressionStatement?
  /// For each output the statement's column, or -1 for one that is copied.
  private let computed: [Int]

  /// - Throws: what `CheckedTransform` throws when its expressions do not compile any more.
  package init(_ checked: CheckedTransform) throws(Failure) {
    self.checked = checked
    database = try ExpressionDatabase(checked.description.inputs)
    var expressions: [String] = []
    computed = checked.outputs.map { output in
      if output.input != nil { return -1 }
      expressions.append(output.expression)
      return expressions.count - 1
    }
    if expressions.isEmpty && checked.description.filter == nil {
      statement = nil
      return
    }
    do throws(SQLProblem) {
      statement = try database.prepare(Self.text(expressions.isEmpty ? ["1"] : expressions, checked.description.filter))
    } catch {
      throw Failure(.configuration, "transform: \(error.message)", location: checked.description.place)
    }
  }

  private static func text(_ expressions: [String], _ filter: String?) -> String {
    "SELECT \(expressions.joined(separator: "\n, "))\n FROM \(RowTable.name)"
      + (filter.map { " WHERE (\($0)\n)" } ?? "")
  }

  /// Appends what becomes of a row.
  ///
  /// - Parameter row: a `WireRow` of the inputs, whose values are texts as PostgreSQL prints them.
  /// - Returns: false, with nothing appended, when the filter leaves the row out.
  /// - Throws: with nothing appended, when an expression fails or a value does not fit its column.
  package func append(
    _ row: UnsafeRawBufferPointer, to out: inout ByteBuffer
  ) throws(RowTransformError) -> Bool {
    guard unsafe database.row.set(row) else {
      throw RowTransformError(column: nil, reason: "the row does not have the columns that it should")
    }
    let start = out.count
    do throws(RowTransformError) {
      guard let statement else {
        for output in checked.outputs { try copy(output, to: &out) }
        return true
      }
      defer { statement.reset() }
      let isKept: Bool
      do throws(SQLProblem) { isKept = try statement.step() } catch { throw explained(error) }
      guard isKept else { return false }
      for (output, column) in zip(checked.outputs, computed) {
        if column < 0 {
          try copy(output, to: &out)
        } else if !statement.append(column, output.type, to: &out) {
          throw RowTransformError(
            column: output.name, reason: "\(statement.kind(of: column)) that is no \(output.type.typeName)")
        }
      }
      return true
    } catch {
      out.truncate(to: start)
      throw error
    }
  }

  private func copy(_ output: TransformOutput, to out: inout ByteBuffer) throws(RowTransformError) {
    let field = unsafe database.row.field(output.input ?? 0)
    if unsafe field.bigEndian(at: 0, as: Int32.self) == WireRow.unchanged {
      throw RowTransformError(column: output.name, reason: "the source has not sent its value")
    }
    unsafe out.append(field)
  }

  /// Finds the expression that fails, on the row that is set.
  private func explained(_ problem: SQLProblem) -> RowTransformError {
    var candidates = checked.outputs.filter { $0.input == nil }.map { (String?.some($0.name), [$0.expression]) }
    if let filter = checked.description.filter { candidates.insert((nil, ["(\(filter)\n)"]), at: 0) }
    for (name, expressions) in candidates {
      guard let alone = try? database.prepare(Self.text(expressions, nil)) else { continue }
      do throws(SQLProblem) { _ = try alone.step() } catch {
        return RowTransformError(column: name, reason: Self.withoutValues(error.message))
      }
    }
    return RowTransformError(column: nil, reason: Self.withoutValues(problem.message))
  }

  /// SQLite's messages may quote a part of a value.
  private static func withoutValues(_ message: String) -> String {
    let end = message.firstIndex { "'\":".contains($0) } ?? message.endIndex
    var text = String(message[..<end])
    while text.last == " " { text.removeLast() }
    return text.isEmpty ? "SQLite refuses it" : text
  }
}
