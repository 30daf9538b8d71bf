#![allow(clippy::all, missing_docs)]
fn main() {
    let v = wsgiaudit::model::Target { version: (3, 14), free_threaded: std::env::var("FT").is_ok() };
    for path in std::env::args().skip(1) {
        let p = std::path::Path::new(&path);
        let stem = wsgiaudit::image::stem(p).unwrap_or("?").to_owned();
        let stem = if stem == "__init__" {
            p.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned()
        } else {
            stem
        };
        let t = std::time::Instant::now();
        let f = wsgiaudit::image::inspect_file(p, &stem, Some(v));
        println!("{path} {:?} {:?}us", f, t.elapsed().as_micros());
    }
}
