internal import Penstock

@main
struct Main {
  static func main() async { await Extensions().main() }
}
