import ChangeModel
import Testing

@Suite struct LSNTests {
  @Test(
    "reads and prints PostgreSQL's text form",
    arguments: [("0/0", 0), ("16/B374D848", 0x16_B374_D848), ("FFFFFFFF/FFFFFFFF", UInt64.max)])
  func textForm(text: String, value: UInt64) {
    #expect(LSN(text: text)?.rawValue == value)
    #expect(LSN(value).description == text)
  }

  @Test("refuses what is not an LSN", arguments: ["", "0", "/", "1/", "/1", "1/2/3", "G/0", "123456789/0", "-1/0"])
  func refuses(text: String) {
    #expect(LSN(text: text) == nil)
  }

  @Test("positions order by commit, then by number in the transaction")
  func positionOrder() {
    let first = StreamPosition(commitLSN: LSN(5), ordinal: 9)

    #expect(first < StreamPosition(commitLSN: LSN(5), ordinal: 10))
    #expect(first < StreamPosition(commitLSN: LSN(6), ordinal: 1))
    #expect(!(first < first))
  }
}
