package import ChangeModel
package import SQLMapping

/// Appends a converted value with its length to a row.
package func appendConverted(
  _ value: UnsafeRawBufferPointer, _ conversion: ValueConversion, _ mapping: TableMapping, _ column: Int,
  to out: inout ByteBuffer
) throws(Failure) {
  var converted: [UInt8] = []
  do throws(ConversionError) {
    // SAFETY: the span lives for this call only, inside the lifetime of `value`.
    let span = unsafe RawSpan(_unsafeBytes: value)
    try conversion.apply(span, into: &converted)
  } catch {
    throw Failure(
      .source, "column \"\(mapping.columns[column].source.name)\" cannot be converted: \(error)",
      location: "\(mapping.source.name)", hint: "Report this with the column's type; the value is not what it prints.")
  }
  out.append(bigEndian: Int32(converted.count))
  out.append(converted)
}
