extension SectionDescription {
  /// The reference of all settings as Markdown: `docs/configuration.md` is this text.
  package var reference: String {
    let tables = settings.map { setting in
      "\n## `\(setting.key)`\n\n\(setting.summary)" + (setting.presence == .required ? " Required." : "")
        + Self.body(of: setting, path: setting.key)
    }
    return Self.introduction + tables.joined()
  }

  private static func body(of setting: SettingDescription, path: String) -> String {
    switch setting.type {
    case .section(let section): "\n\n" + section.table(path: path)
    case .list(.section(let section), _): " A list; each element has:\n\n" + section.table(path: path)
    default: "\n"
    }
  }

  /// The section's own table, its rules, then the sections inside it.
  private func table(path: String) -> String {
    var text = "| Setting | Value | Default | Meaning |\n|---|---|---|---|\n"
    var inner = ""
    for setting in settings {
      if setting.type.hasTable {
        inner +=
          "\n### `\(path).\(setting.key)`\n\n\(setting.summary)"
          + Self.body(of: setting, path: "\(path).\(setting.key)")
        continue
      }
      let names = setting.spellings.map { "`\($0)`" }.joined(separator: " or ")
      text += "| \(names) | \(setting.type.documented) | \(setting.presence.text) | \(setting.summary) |\n"
    }
    let rules = rules.map { "- \($0.text)\n" }.joined()
    return text + (rules.isEmpty ? "" : "\n" + rules) + inner
  }

  private static let introduction = #"""
    # Configuration

    One YAML file describes one pipeline. `penstock schema` prints its JSON Schema for editors. Examples to start from:

    - [postgres-to-dsql.yaml](../config/postgres-to-dsql.yaml)
    - [postgres-to-postgres.yaml](../config/postgres-to-postgres.yaml)
    - [postgres-to-emulator.yaml](../config/postgres-to-emulator.yaml), all on one machine
    - [dynamodb-to-dsql.yaml](../config/dynamodb-to-dsql.yaml)
    - [merge-game-mailbox.yaml](../config/merge-game-mailbox.yaml), three tables of DynamoDB as one

    This page is generated: `penstock schema --markdown > docs/configuration.md`.

    The file is read strictly. An unknown or duplicate key, a value of the wrong type or out of range, a missing setting
    or two that contradict each other stop Penstock before it does anything. All problems are reported at once:

        pipeline.yaml:12:3: sink.paralelism: unknown key; did you mean "parallelism"?

    ## Values

    - **Text** may stand without quotes unless YAML reads it as something else: `"5432"`, `"true"`, `"null"`, and what begins
      with one of ``* & ! % @ ` `` must be quoted.
    - **Numbers** and **booleans** (`true`, `false`) must not be quoted.
    - **Durations** are a whole number and a unit: `500ms`, `1s`, `5min` or `5m`, `2h`. Each one has a second spelling that
      takes integer milliseconds: `flush-interval: 1s` is `flush-interval-ms: 1000`. Only one of the two may be given.
    - **Sizes** are a whole number and a unit: `B`, `kB`, `MB`, `GB` (powers of 1000), `KiB`, `MiB`, `GiB` (powers of 1024), or an
      integer, in bytes.
    - Anchors, aliases, tags and a second document are refused. The file may have up to 1 MiB.

    ## Environment

    `${NAME}` anywhere in a value is replaced by that environment variable; if it is not set, that is a problem.
    `${NAME:-text}` takes `text` when the variable is unset or empty. `$${` stands for the characters `${`. The replacement
    happens after YAML is read: whatever the variable holds, it stays one value. It takes the type that the setting wants, so
    `port: ${PORT}` works, in quotes too. Inside `[…]` and `{…}` YAML needs quotes: `["${SCHEMA}.*"]`.

    Penstock reads no other variable for its settings; `PGPASSWORD` and its like have no effect. Passwords are never shown, in
    whatever message or log. libpq's password file `~/.pgpass` serves where the configuration gives none.

    ## Table names

    Names are written `schema.table`. As in SQL, a name without quotes is folded to lower case, and one with other characters
    than letters, digits, `_` and `$`, or with upper case, needs double quotes: `'"My Schema"."Odd.Name"'` (the single quotes are
    YAML's). In names without quotes `*` stands for any characters and `?` for one; a pattern that begins with `*` needs YAML's
    quotes. `tables: [public.*, "billing.invoice_*"]`.

    DynamoDB's tables have one name, in which upper and lower case count: `tables: [Orders, "Game*"]`. In the target they are in the
    schema `public` under that name, unless a `route` says another.

    """#
}

extension SettingType {
  /// Whether it has settings of its own, which need a table.
  fileprivate var hasTable: Bool {
    switch self {
    case .section, .list(.section, _): true
    default: false
    }
  }
}

extension SettingDescription.Presence {
  fileprivate var text: String {
    switch self {
    case .required: "required"
    case .optional(let absent): absent
    case .byDefault(_, let text): "`\(text)`"
    }
  }
}

extension SettingRule {
  /// One sentence for the documentation.
  fileprivate var text: String {
    func quoted(_ keys: [String]) -> [String] { keys.map { "`\($0)`" } }
    switch self {
    case .excludes(let key, let others):
      return "`\(key)` can't be given together with \(SettingType.alternatives(quoted(others)))."
    case .needsOne(let keys, nil): return "\(SettingType.alternatives(quoted(keys))) is required."
    case .needsOne(let keys, let other?):
      return "With `\(other)`, \(SettingType.alternatives(quoted(keys))) is required."
    case .needsOneUnless(let key, let values, let keys):
      return "Unless `\(key)` is \(SettingType.alternatives(quoted(values))), "
        + "\(SettingType.alternatives(quoted(keys))) is required."
    case .onlyWhen(let key, let value, let others):
      return "Only for `\(key): \(value)`: \(quoted(others).joined(separator: ", "))."
    case .choicesWhen(let key, let value, let choice, let allowed):
      return "With `\(key): \(value)`, `\(choice)` is \(SettingType.alternatives(quoted(allowed)))."
    }
  }
}
