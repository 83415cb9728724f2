import Apply
import ChangeModel
import ChangeTestKit
import SQLMapping
import Testing

@Suite("Keys that PostgreSQL holds for equal have equal bytes")
struct KeyFormTests {
  private func canonical(_ form: KeyForm, _ cell: Cell) -> [UInt8] {
    var out = ByteBuffer()
    cell.field.withUnsafeBytes { form.appendCanonical($0, to: &out) }
    return [UInt8](out.bytes)
  }

  @Test(
    "as text",
    arguments: [
      (KeyForm.numericText, "1.0", "1.00"), (.numericText, "1", "1.000"), (.numericText, "-0.50", "-0.5"),
      (.numericText, "0", "0.00"), (.numericText, "100", "100.0"), (.blankPadded, "ab", "ab   "),
      (.blankPadded, "", "  "), (.floatText, "0", "-0"),
    ])
  func equalTexts(form: KeyForm, a: String, b: String) {
    #expect(canonical(form, Cell(a)) == canonical(form, Cell(b)))
  }

  @Test(
    "and different ones stay different",
    arguments: [
      (KeyForm.numericText, "10", "1"), (.numericText, "100", "1"), (.numericText, "1.01", "1.1"),
      (.numericText, "NaN", "Infinity"), (.blankPadded, "a b", "ab"), (.blankPadded, " a", "a"),
      (.floatText, "-1", "1"), (.exact, "a ", "a"), (.exact, "1.0", "1.00"),
    ])
  func differentTexts(form: KeyForm, a: String, b: String) {
    #expect(canonical(form, Cell(a)) != canonical(form, Cell(b)))
  }

  @Test("a numeric in binary does not count its display scale; a float no minus zero")
  func binary() {
    let one: [UInt8] = [0, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    var scaled = one
    scaled[7] = 2
    #expect(canonical(.numericBinary, .bytes(one)) == canonical(.numericBinary, .bytes(scaled)))
    #expect(
      canonical(.floatBinary, .bytes([0x80, 0, 0, 0])) == canonical(.floatBinary, .bytes([0, 0, 0, 0])))
    #expect(
      canonical(.floatBinary, .bytes([0x80, 0, 0, 1])) != canonical(.floatBinary, .bytes([0, 0, 0, 1])))
  }

  @Test(
    "NULL and empty values pass every form",
    arguments: [
      KeyForm.exact, .ambiguous, .numericBinary, .numericText, .blankPadded, .floatBinary, .floatText,
    ])
  func degenerate(form: KeyForm) {
    #expect(canonical(form, .null) == Cell.null.field)
    #expect(canonical(form, .bytes([])) == Cell.bytes([]).field)
    #expect(canonical(form, .null) != canonical(form, .bytes([])))
  }

  @Test(
    "a column's form follows its type and how it travels",
    arguments: [
      ("numeric", true, KeyForm.numericBinary), ("numeric", false, .numericText), ("bpchar", true, .blankPadded),
      ("float8", true, .floatBinary), ("float4", false, .floatText), ("text", false, .exact), ("uuid", true, .exact),
      ("interval", true, .ambiguous), ("jsonb", false, .ambiguous), ("timetz", true, .exact),
    ])
  func forms(type: String, binary: Bool, form: KeyForm) {
    #expect(tablePlan([type], key: [0], isBinary: binary).keyForms == [form])
  }

  @Test("all NaNs are one, whatever their bits")
  func nan() {
    #expect(
      canonical(.floatBinary, .bytes([0xFF, 0xC0, 0, 0])) == canonical(.floatBinary, .bytes([0x7F, 0xC0, 0, 1])))
    #expect(
      canonical(.floatBinary, .bytes([0xFF, 0xF8, 0, 0, 0, 0, 0, 0]))
        == canonical(.floatBinary, .bytes([0x7F, 0xF8, 0, 0, 0, 0, 0, 1])))
    #expect(
      canonical(.floatBinary, .bytes([0xFF, 0x80, 0, 0])) != canonical(.floatBinary, .bytes([0x7F, 0x80, 0, 0])))
  }

  @Test(
    "an array is as exact as its elements, a text as its collation",
    arguments: [
      ("int4", false, KeyForm.exact), ("numeric", false, .ambiguous), ("interval", false, .ambiguous),
      ("text", true, .ambiguous),
    ])
  func composed(element: String, isLoose: Bool, form: KeyForm) {
    let source = SourceColumn(
      name: "k", number: 1, typeOID: 1, typeName: isLoose ? "text" : "_" + element,
      kind: isLoose ? .base : .array, formattedType: isLoose ? "text" : element + "[]",
      elementTypeName: isLoose ? "" : element, comparesLoosely: isLoose)
    let type = source.formattedType
    let column = ColumnMapping(source: source, targetName: "k", targetType: type, castType: type, binaryOID: nil)
    let table = SourceTable(oid: 1, name: TableName("public", "t"), columns: [source])

    let mapping = TableMapping(source: table, target: table.name, columns: [column], key: [0])
    #expect(TablePlan(index: 0, mapping: mapping, isBinary: false).keyForms == [form])
  }

  @Test("a key whose target column is text is told apart by its exact text")
  func textTarget() {
    let known = BuiltinType.named("numeric")!
    let source = SourceColumn(
      name: "n", number: 1, typeOID: known.oid, typeName: "numeric", formattedType: "numeric")
    let column = ColumnMapping(
      source: source, targetName: "n", targetType: "text", castType: "text", binaryOID: nil)
    let table = SourceTable(oid: 1, name: TableName("public", "t"), columns: [source])
    let mapping = TableMapping(source: table, target: table.name, columns: [column], key: [0])

    #expect(TablePlan(index: 0, mapping: mapping, isBinary: true).keyForms == [.exact])
    #expect(TablePlan(index: 0, mapping: mapping, isBinary: false).keyForms == [.exact])
  }

  @Test("the key lies in the row when its columns are one run that compares exactly")
  func keyInRow() {
    #expect(tablePlan(["int4", "text", "text"], key: [1, 0]).keyColumnsInRow == 0..<2)
    #expect(tablePlan(["int4", "text", "text"], key: [2, 0]).keyColumnsInRow == nil)
    #expect(tablePlan(["text", "numeric"], key: [1]).keyColumnsInRow == nil)
    #expect(tablePlan(["text", "int4"], key: []).keyColumnsInRow == 0..<2)
  }
}
