/// What to do with which dead letters.
package struct DeadLetterOrder: Hashable, Sendable {
  package enum Action: String, Hashable, Sendable, CaseIterable { case list, show, replay, drop }

  package var action: Action
  package var file: String
  /// Ids, or their beginnings.
  package var ids: [String] = []
  package var all = false
  package var json = false

  package init(action: Action, file: String, ids: [String] = [], all: Bool = false, json: Bool = false) {
    self.action = action
    self.file = file
    self.ids = ids
    self.all = all
    self.json = json
  }

  /// - Parameter operands: the action, the file, then ids.
  init(_ operands: [String], _ options: [String: String]) throws(UsageError) {
    guard let word = operands.first else { throw usageError("dlq needs an action", of: .dlq) }
    guard let action = Action(rawValue: word) else {
      throw usageError("unknown action \(quoted(word))", word, Action.allCases.map(\.rawValue), of: .dlq)
    }
    guard operands.count > 1, !operands[1].isEmpty else {
      throw usageError("dlq \(word) needs a configuration file", of: .dlq)
    }
    let ids = Array(operands.dropFirst(2))
    let all = options["--all"] != nil
    if action == .list, let id = ids.first { throw usageError("unexpected argument \(quoted(id))", of: .dlq) }
    if action != .list, ids.isEmpty, !all { throw usageError("dlq \(word) needs ids, or --all", of: .dlq) }
    if all, let id = ids.first { throw usageError("--all and \(quoted(id)) exclude each other", of: .dlq) }
    if let id = ids.first(where: \.isEmpty) { throw usageError("\(quoted(id)) is no id", of: .dlq) }
    self.init(action: action, file: operands[1], ids: ids, all: all, json: options["--json"] != nil)
  }
}
