internal import ChangeModel

/// An array's dimensions, flag and element type, before its elements.
private let arrayHeaderBytes = 20

extension ArrayParameters {
  /// Makes `other` hold only these rows of the first `count` columns.
  package mutating func copy(rows: Range<Int>, columns count: Int, to other: inout ArrayParameters) {
    let arrays = unsafe finish(columns: count)
    other.begin(elementTypes: unsafe arrays.map { unsafe $0.bigEndian(at: 8, as: UInt32.self) })
    for column in unsafe arrays.indices {
      let array = unsafe arrays[column]
      var offset = arrayHeaderBytes
      for row in 0..<rows.upperBound {
        let field = unsafe WireRow.field(array, at: offset)
        offset += field.count
        if row >= rows.lowerBound { unsafe other.append(field, to: column) }
      }
    }
    for _ in rows { other.endRow() }
  }

  /// One row as a `WireRow` of the first `count` columns.
  package mutating func row(_ row: Int, columns count: Int) -> [UInt8] {
    var wire: [UInt8] = []
    let arrays = unsafe finish(columns: count)
    for column in unsafe arrays.indices {
      let array = unsafe arrays[column]
      var offset = arrayHeaderBytes
      for _ in 0..<row { unsafe offset += WireRow.field(array, at: offset).count }
      unsafe wire.append(contentsOf: WireRow.field(array, at: offset))
    }
    return wire
  }
}
