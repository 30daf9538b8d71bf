/* Class 13: SWIG keeps the types that it has made for the first interpreter in C statics, and all others use them. When
 * the first has ended, its use crashes. */
%module made_with_swig
%include "std_vector.i"
%inline %{
struct Item {
    int price;
    Item(int price) : price(price) {}
    int get() { return price; }
};
%}
%template(Items) std::vector<Item *>;
%inline %{
int total(std::vector<Item *> items) {
    int sum = 0;
    for (auto item : items) {
        sum += item->price;
    }
    return sum;
}
%}
