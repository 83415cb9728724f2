package import ChangeModel

/// What becomes of rows that the target refuses.
package struct RefusedRowSettings: Hashable, Sendable {
  /// Rows of these classes become dead letters; any other stops the pipeline.
  package let parkedClasses: Set<RowErrorClass>
  /// Dead letters in a minute before the pipeline stops after all.
  package let perMinute: Int
}

extension RefusedRowSettings {
  init(_ section: inout SettingsSection) {
    let parks = section.value(
      .choice(
        "on-error", ["stop": false, "dead-letter": true],
        "What becomes of a row that the target refuses: the pipeline stops, having lost nothing, or the row goes to the dead "
          + "letters in the target and the pipeline goes on."), default: false)
    let chosen = section.list(
      .choice(
        "dead-letter-classes",
        ["data": RowErrorClass.data, "constraint": .constraint, "size": .size],
        "Which refused rows become dead letters, all when it is absent: values that the column can't hold, rows against a "
          + "constraint, rows that are too large. A row of another class stops the pipeline."), minimum: 0)
    perMinute = section.value(
      .integer(
        "dead-letter-limit", in: 1...1_000_000,
        "Most dead letters in a minute; one more stops the pipeline, since then it is not the rows that are wrong."),
      default: 100)
    section.rule(.onlyWhen(key: "on-error", value: "dead-letter", ["dead-letter-classes"]))
    parkedClasses = !parks ? [] : chosen.isEmpty ? Set(RowErrorClass.allCases) : Set(chosen)
  }
}
