import ChangeModel
import ChangeTestKit
import PenstockTestKit
import SQLMapping
import Testing

@testable import DynamoDBSource

@Suite("Broken answers") struct HostileAnswerTests {
  static let scan = #"""
    {"Items":[\#(ItemMappingTests.item),{"pk":{"S":"a\u00e4\ud83d\ude00"},"sk":{"N":"-1.5E-3"},"b":{"B":"AP8="},"t":{"BOOL":true},
    "n":{"NS":["1","2"]},"z":{"BS":["AA=="]},"u":{"NULL":true}}],"Count":2,"ScannedCount":3,"LastEvaluatedKey":{"pk":{"S":"a"}},
    "ConsumedCapacity":{"CapacityUnits":0.5}}
    """#
  static let records = #"""
    {"Records":[{"eventName":"MODIFY","dynamodb":{"Keys":{"pk":{"S":"k"},"sk":{"N":"7"}},"NewImage":\#(ItemMappingTests.item),
    "OldImage":{"pk":{"S":"k"},"sk":{"N":"7"}},"SequenceNumber":"123456789012345678901","ApproximateCreationDateTime":1.7E9},
    "userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"}}],"NextShardIterator":"abc=="}
    """#

  private func mapping() throws -> ItemMapping {
    let layout = ItemLayout(
      columns: [
        try column("address.city", "text"), try column("address.lines[1]", "varchar"), try column("t", "boolean"),
        try column("b", "bytea"), try column("rare", "timestamptz", epoch: .seconds), try column("n", "jsonb"),
      ], documentColumn: "doc")
    return try ItemMapping(
      table: TableName("d", "t"), key: ItemMappingTests.composite, layout: layout, inference: ItemMappingTests.seen)
  }

  /// Reads an answer of either kind and everything in it: how many rows it had; -1 when it was refused.
  private func readAll(_ bytes: [UInt8], _ mapping: ItemMapping) throws -> Int {
    var rows = ItemRows(mapping)
    var sampler = ItemSampler()
    var out = ByteBuffer()
    return try bytes.withUnsafeBytes { body in
      var (page, records) = (ScanPage(), RecordsPage())
      var items: [Range<Int>] = []
      do {
        try page.read(body)
        items = page.items
      } catch {
        try records.read(body)
        items = records.records.flatMap { [$0.keys, $0.newImage, $0.oldImage].compactMap(\.self) }
      }
      var count = 0
      for item in items {
        try? sampler.read(item, of: body)
        out.removeAll()
        do throws(ItemFailure) { try rows.appendRow(of: item, in: body, to: &out) } catch { continue }
        count += 1
        #expect(cells(out.bytes, columns: mapping.columns.count) != nil)
        try rows.appendKey(of: item, in: body, to: &out)
      }
      return count
    }
  }

  @Test("an answer that is cut off anywhere is refused", arguments: [scan, records])
  func cutOff(text: String) throws {
    let (bytes, mapping) = (Array(text.utf8), try mapping())

    #expect(try readAll(bytes, mapping) == (text == Self.scan ? 2 : 3))
    for count in bytes.indices {
      #expect(throws: JSONFault.self) { try readAll(Array(bytes[..<count]), mapping) }
    }
  }

  @Test("random changes of answers are read or refused, never a crash", arguments: 0..<16)
  func mutated(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let mapping = try mapping()
    let marks = Array("{}[]\",:\\u0019eE.+-SNBML \u{0}\u{7f}tfn".utf8) + [0x80, 0xFF, 0xC3]
    var refused = 0
    for _ in 0..<250 {
      var bytes = Array((Bool.random(using: &random) ? Self.scan : Self.records).utf8)
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[place] = marks.randomElement(using: &random)!
        case 1: bytes.remove(at: place)
        case 2: bytes.insert(marks.randomElement(using: &random)!, at: place)
        default:
          let end = min(bytes.count, place + Int.random(in: 1...30, using: &random))
          bytes.insert(contentsOf: bytes[place..<end], at: Int.random(in: 0...bytes.count, using: &random))
        }
      }
      if (try? readAll(bytes, mapping)) == nil { refused += 1 }
    }
    #expect(refused > 40 && refused < 250, "seed \(seed)")
  }
}
