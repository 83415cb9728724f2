package import ChangeModel
package import SQLMapping

extension CheckedTransform {
  /// Reads a transform's expressions with SQLite, and looks at each one alone.
  ///
  /// - Throws: a failure of the configuration with SQLite's message, the place in the expression and the nearest name.
  package init(_ description: TransformDescription) throws(Failure) {
    let database: ExpressionDatabase
    do throws(Failure) { database = try ExpressionDatabase(description.inputs) } catch {
      var failure = error
      failure.location = description.place
      throw failure
    }
    let check = TransformCheck(description: description, database: database)
    let outputs = try check.outputs()
    self.init(description: description, outputs: outputs, filterReads: try check.filterReads())
  }

  /// The first column that a transform names and its inputs lack; `nil` if there is none, or if something else is wrong with
  /// it.
  package static func missingColumn(of description: TransformDescription) throws(Failure) -> String? {
    let database = try ExpressionDatabase(description.inputs)
    for expression in [description.projection, description.filter].compactMap(\.self) {
      do throws(SQLProblem) { _ = try database.prepare("SELECT \(expression)\n FROM \(RowTable.name)") } catch {
        return error.missingColumn
      }
    }
    return nil
  }
}

/// Compiles the parts of one transform.
///
/// SQLite alone says what a part is: a text is a part of the list if a list of it and one more column compiles. A text
/// that ends inside of a string, a comment or parentheses does not, whatever commas it holds.
private struct TransformCheck {
  /// Comes after a text to tell whether SQLite has read all of it.
  static let end = "penstock_end"

  let description: TransformDescription
  let database: ExpressionDatabase

  /// A piece of the projection between two of its commas.
  private struct Part {
    var text: String
    /// Where it begins in the projection, in bytes.
    var offset: Int
    /// By column: its name, and the input that it is.
    var columns: [(name: String, input: Int?)]
    var reads: Set<Int>
    var statement: ExpressionStatement
  }

  // MARK: Outputs

  func outputs() throws(Failure) -> [TransformOutput] {
    let whole = try compile(description.projection, "projection")
    let parts = try self.parts()
    let names = parts.flatMap { $0.columns.map(\.name) }
    guard names == (0..<(whole.columnCount - 1)).map(whole.name) else {
      throw problem("its columns can't be told apart", "projection", at: nil)
    }
    var outputs: [TransformOutput] = []
    for part in parts {
      try checkRuns(part)
      for column in part.columns { outputs.append(try output(column.name, column.input, part)) }
    }
    try checkNames(outputs, parts)
    for name in description.types.keys.sorted() where !names.contains(name) {
      let nearest = nearestName(to: name, among: names).map { " Did you mean \"\($0)\"?" } ?? ""
      throw problem(
        "columns gives a type for \"\(name)\", which the projection does not make", "columns", at: nil,
        hint: "The projection makes \(names.joined(separator: ", ")).\(nearest)")
    }
    return outputs
  }

  private func output(_ name: String, _ input: Int?, _ part: Part) throws(Failure) -> TransformOutput {
    guard let text = description.types[name] else {
      if let input { return TransformOutput(name: name, input: input, type: .text, reads: [input], expression: "") }
      return TransformOutput(name: name, input: nil, type: .text, reads: part.reads, expression: part.text)
    }
    guard let type = OutputType(text) else {
      throw problem(
        "\"\(text)\" is no type of a computed column", "columns", at: nil, hint: "Write \(OutputType.spellings).")
    }
    // Of several columns, as `*` makes them, each is computed by itself.
    let expression =
      input.map { "\(quotedIdentifier(description.inputs[$0].name)) AS \(quotedIdentifier(name))" } ?? part.text
    return TransformOutput(
      name: name, input: nil, type: type, reads: input.map { [$0] } ?? part.reads, expression: expression)
  }

  private func parts() throws(Failure) -> [Part] {
    let bytes = Array(description.projection.utf8)
    var parts: [Part] = []
    var start = 0
    for index in 0...bytes.count where index == bytes.count || bytes[index] == UInt8(ascii: ",") {
      let text = String(decoding: bytes[start..<index], as: UTF8.self)
      guard let part = part(text, at: start) else { continue }
      parts.append(part)
      start = index + 1
    }
    guard start == bytes.count + 1 else { throw problem("it can't be split into columns", "projection", at: start) }
    return parts
  }

  private func part(_ text: String, at offset: Int) -> Part? {
    // Without a line's end before it, what follows a comment's `--` is part of the comment.
    let isLast = offset + text.utf8.count == description.projection.utf8.count
    guard let statement = try? database.prepare(list(text, endsLine: isLast)), isWhole(statement) else { return nil }
    let reads = reads()
    let columns = (0..<(statement.columnCount - 1)).map { column in
      let origin = statement.origin(of: column)
      return (statement.name(of: column), origin.flatMap { name in index(of: name) })
    }
    return Part(text: text, offset: offset, columns: columns, reads: reads, statement: statement)
  }

  private func index(of name: String) -> Int? { description.inputs.firstIndex { $0.name == name } }

  private func reads() -> Set<Int> { Set(database.authorization.readColumns.compactMap(index)) }

  private func list(_ text: String, endsLine: Bool = true) -> String {
    "SELECT \(text)\(endsLine ? "\n" : ""), (1) AS \(Self.end) FROM \(RowTable.name)"
  }

  private func isWhole(_ statement: ExpressionStatement) -> Bool {
    statement.columnCount > 1 && statement.name(of: statement.columnCount - 1) == Self.end
  }

  /// Compiles a text as a result list.
  private func compile(_ text: String, _ setting: String) throws(Failure) -> ExpressionStatement {
    do throws(SQLProblem) {
      let statement = try database.prepare(list(text))
      guard isWhole(statement) else { throw SQLProblem(message: "it does not end where it should") }
      return statement
    } catch {
      throw problem(error, in: text, setting)
    }
  }

  /// Refuses what is no expression of one row, and what asks the clock whatever the row.
  private func checkRuns(_ part: Part) throws(Failure) {
    let isAggregate = (try? database.prepare(list(part.text) + " WHERE 0").step()) ?? false
    if isAggregate {
      throw problem("an aggregate is not allowed: an expression sees one row", "projection", at: part.offset)
    }
    if let clock = clockProblem(part.statement) { throw problem(clock, "projection", at: part.offset) }
  }

  /// Tries a statement on a row of NULLs.
  private func clockProblem(_ statement: ExpressionStatement) -> String? {
    let nulls = Array(repeating: [UInt8](repeating: 0xFF, count: 4), count: description.inputs.count).flatMap(\.self)
    return unsafe nulls.withUnsafeBytes { row in
      _ = unsafe database.row.set(row)
      defer { statement.reset() }
      do throws(SQLProblem) {
        _ = try statement.step()
        return nil
      } catch {
        return error.message.contains("asks the clock") ? error.message : nil
      }
    }
  }

  private func checkNames(_ outputs: [TransformOutput], _ parts: [Part]) throws(Failure) {
    for part in parts where part.columns.count == 1 && part.columns[0].input == nil {
      let named = "SELECT \(part.text)\n AS penstock_name, (1) AS \(Self.end) FROM \(RowTable.name)"
      if let statement = try? database.prepare(named), isWhole(statement) {
        throw problem(
          "an expression has no name", "projection", at: part.offset, hint: "Name its column: … AS name.")
      }
    }
    var seen: Set<String> = []
    for output in outputs {
      if output.name.isEmpty || output.name.utf8.count > 63 {
        throw problem("\"\(output.name)\" is no column name: it has 1 to 63 bytes", "projection", at: nil)
      }
      if !seen.insert(output.name).inserted {
        throw problem(
          "column \"\(output.name)\" is made twice", "projection", at: nil,
          hint: "Give one of them another name with AS, or write the columns out in place of *.")
      }
    }
  }

  // MARK: Filter

  func filterReads() throws(Failure) -> Set<Int> {
    guard let filter = description.filter else { return [] }
    // By itself it must be an expression too: `a) OR (b` is none.
    _ = try compile(filter, "filter")
    let selected = try compile("(\(filter)\n)", "filter")
    let reads = reads()
    if selected.columnCount != 2 { throw problem("it is a list; one expression is expected", "filter", at: nil) }
    if let clock = clockProblem(selected) { throw problem(clock, "filter", at: nil) }
    do throws(SQLProblem) {
      _ = try database.prepare("SELECT 1 FROM \(RowTable.name) WHERE (\(filter)\n)")
    } catch {
      throw problem(error.message, "filter", at: nil)
    }
    return reads
  }

  // MARK: Problems

  private func problem(_ error: SQLProblem, in text: String, _ setting: String) -> Failure {
    let offset = error.offset.map { $0 - "SELECT ".utf8.count }
    var hint = ""
    if let name = error.missingColumn {
      let names = description.inputs.map(\.name)
      if let nearest = nearestName(to: name, among: names) { hint = "Did you mean \(nearest)? " }
      hint += "The columns are \(names.joined(separator: ", "))."
    } else if error.message.hasPrefix("function ") || error.message.hasPrefix("no such function") {
      hint = "docs/transforms.md lists the functions."
    }
    let isInside = offset.map { $0 >= 0 && $0 < text.utf8.count } ?? false
    return problem(error.message, setting, at: isInside ? offset : nil, hint: hint)
  }

  /// - Parameter offset: in the setting's text, in bytes.
  private func problem(_ message: String, _ setting: String, at offset: Int?, hint: String = "") -> Failure {
    let text = setting == "filter" ? description.filter ?? "" : description.projection
    let character = offset.map { offset in String(decoding: text.utf8.prefix(offset), as: UTF8.self).count + 1 }
    let parts = [description.place, setting, character.map { "character \($0)" } ?? ""].filter { !$0.isEmpty }
    return Failure(
      .configuration, "transform: \(message)", location: parts.joined(separator: ", "),
      hint: hint.isEmpty ? "docs/transforms.md says what an expression may hold." : hint)
  }
}
