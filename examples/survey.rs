#![allow(clippy::all, missing_docs)]
fn main() {
    let v = wsgiaudit::model::Target { version: (3, 14), free_threaded: std::env::var("FT").is_ok() };
    for path in std::env::args().skip(1) {
        let t = std::time::Instant::now();
        eprintln!("{path}");
        for (name, f) in wsgiaudit::image::survey(std::path::Path::new(&path), Some(v)) {
            println!("{name} {:?} {:?} {:?} {:?}", f.initialisation, f.m_size, f.slots, f.doubts);
        }
        eprintln!("  {:?}", t.elapsed());
    }
}
