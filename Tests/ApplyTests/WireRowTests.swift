import Apply
import ChangeModel
import ChangeTestKit
import PenstockTestKit
import Testing

@Suite("Rows as they travel")
struct WireRowTests {
  @Test("a row is read back as it was written")
  func roundTrip() {
    let row: [Cell] = ["a", nil, .unchanged, "", "long value"]
    wireRow(row).withUnsafeBytes { #expect(cells($0, columns: 5) == row) }
  }

  @Test("a row cut at any byte, or with a byte too many, is no row")
  func truncated() {
    let row = wireRow(["abc", nil, "", .unchanged, "de"])
    for count in row.indices { row[..<count].withUnsafeBytes { #expect(cells($0, columns: 5) == nil) } }
    (row + [0]).withUnsafeBytes { #expect(cells($0, columns: 5) == nil) }
  }

  @Test("random bytes never trap", arguments: 0..<20)
  func random(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<500 {
      var bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      for index in bytes.indices where Int.random(in: 0..<3, using: &random) > 0 { bytes[index] = 0 }
      bytes.withUnsafeBytes { _ = cells($0, columns: Int.random(in: 0...6, using: &random)) }
    }
  }

  @Test("array parameters have array_recv's layout")
  func arrays() {
    var parameters = ArrayParameters()
    for round in 0..<2 {
      parameters.begin(elementTypes: [25, 20])
      wireRow(["ab", nil]).withUnsafeBytes { parameters.append(row: $0, columns: 2) }
      wireRow(["", .bytes([0, 0, 0, 0, 0, 0, 0, 7])]).withUnsafeBytes { parameters.append(row: $0, columns: 2) }
      let finished = parameters.finish(columns: 2).map { [UInt8]($0) }

      #expect(
        finished[0] == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25, 0, 0, 0, 2, 0, 0, 0, 1]
          + [0, 0, 0, 2, 0x61, 0x62, 0, 0, 0, 0], "round \(round)")
      #expect(
        finished[1] == [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 20, 0, 0, 0, 2, 0, 0, 0, 1]
          + [255, 255, 255, 255, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7], "round \(round)")
    }
  }
}
