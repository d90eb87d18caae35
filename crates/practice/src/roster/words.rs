//! The words that invented people, streets and schools are made of. Lists only; who gets which is decided in `people`.

/// Names that go together: a family takes its surname from one tradition, and its children mostly their given names.
pub(crate) struct Tradition {
    /// How many families in a thousand.
    pub(crate) weight: u64,
    pub(crate) girls: &'static [&'static str],
    pub(crate) boys: &'static [&'static str],
    pub(crate) surnames: &'static [&'static str],
}

/// The traditions, the first one the largest. Its surnames are put together from [`FRONTS`] and [`BACKS`] as well.
#[rustfmt::skip]
pub(crate) const TRADITIONS: &[Tradition] = &[
    Tradition {
        weight: 330,
        girls: &[
            "Abigail", "Ada", "Alice", "Amelia", "Anna", "Audrey", "Avery", "Beatrice", "Bella", "Brooke",
            "Caroline", "Charlotte", "Chloe", "Clara", "Daisy", "Eleanor", "Eliza", "Ella", "Emily", "Emma",
            "Esther", "Evelyn", "Faith", "Freya", "Georgia", "Grace", "Hannah", "Harriet", "Hazel", "Heidi",
            "Imogen", "Iris", "Isla", "Ivy", "Jane", "Josephine", "Julia", "June", "Katherine", "Layla",
            "Lily", "Lucy", "Mabel", "Madeline", "Margaret", "Martha", "Mary Ann", "Matilda", "Maya",
            "Millie", "Molly", "Naomi", "Nora", "Olive", "Paige", "Penelope", "Phoebe", "Piper", "Quinn",
            "Rachel", "Rose", "Ruby", "Ruth", "Sadie", "Sarah", "Scarlett", "Sophie", "Stella", "Summer",
            "Tessa", "Violet", "Willa", "Winifred", "Zara",
        ],
        boys: &[
            "Aaron", "Adam", "Albert", "Alfie", "Andrew", "Archie", "Arthur", "Asher", "Austin", "Benjamin",
            "Blake", "Brandon", "Caleb", "Calvin", "Charlie", "Chase", "Connor", "Daniel", "David", "Dylan",
            "Edward", "Elijah", "Elliot", "Ethan", "Felix", "Finley", "Frank", "Frederick", "Gabriel",
            "George", "Harrison", "Harry", "Henry", "Hugo", "Isaac", "Jack", "Jacob", "James", "Jamie",
            "Jonah", "Joseph", "Joshua", "Jude", "Leo", "Levi", "Logan", "Lucas", "Mason", "Matthew", "Max",
            "Miles", "Nathan", "Noah", "Oliver", "Oscar", "Owen", "Parker", "Ralph", "Reuben", "Robert",
            "Rory", "Rowan", "Samuel", "Sebastian", "Simon", "Stanley", "Theodore", "Thomas", "Toby",
            "Tyler", "Victor", "Walter", "William", "Wyatt",
        ],
        surnames: &[
            "Adams", "Bailey", "Baker", "Bennett", "Brooks", "Brown", "Carter", "Clark", "Collins", "Cook",
            "Cooper", "Davies", "Edwards", "Evans", "Fisher", "Foster", "Gray", "Green", "Hall", "Harris",
            "Hill", "Hughes", "Jackson", "Johnson", "Jones", "King", "Lewis", "Marsh", "Miller", "Moore",
            "Parker", "Price", "Reed", "Roberts", "Scott", "Smith", "Stone", "Taylor", "Thompson", "Turner",
            "Walker", "Ward", "White", "Young", "St. John", "Le Page", "Vanderhoof",
        ],
    },
    Tradition {
        weight: 260,
        girls: &[
            "Alejandra", "Ana", "Ana Lucía", "Beatriz", "Camila", "Carmen", "Catalina", "Daniela", "Elena",
            "Esperanza", "Fernanda", "Gabriela", "Guadalupe", "Inés", "Isabel", "Itzel", "Jimena",
            "Leticia", "Lucía", "Luz María", "María", "María José", "Marisol", "Mónica", "Noemí", "Paloma",
            "Pilar", "Rocío", "Sofía", "Valentina", "Verónica", "Ximena", "Yolanda", "Zoé",
        ],
        boys: &[
            "Adrián", "Agustín", "Alejandro", "Ángel", "Andrés", "Antonio", "Carlos", "César", "Cristóbal",
            "Diego", "Eduardo", "Emiliano", "Esteban", "Fernando", "Francisco", "Gael", "Héctor", "Ignacio",
            "Iker", "Iván", "Javier", "Jesús", "Joaquín", "José", "José Luis", "Juan Pablo", "Leonel",
            "Luis", "Manuel", "Mateo", "Miguel Ángel", "Óscar", "Rafael", "Ramón", "Raúl", "Rubén",
            "Santiago", "Sergio", "Tomás", "Víctor",
        ],
        surnames: &[
            "Aguilar", "Álvarez", "Ávila", "Barragán", "Cárdenas", "Castañeda", "Chávez", "Contreras",
            "Cruz", "de la Cruz", "de la Torre", "Delgado", "Díaz", "Domínguez", "Escobedo", "Espinoza",
            "Estévez", "Fernández", "Flores", "Fuentes", "Gallegos", "García", "Gómez", "González",
            "Gutiérrez", "Hernández", "Herrera", "Ibáñez", "Jiménez", "Juárez", "León", "López", "Márquez",
            "Martínez", "Mejía", "Méndez", "Montaño", "Morales", "Muñoz", "Núñez", "Ochoa", "Ordóñez",
            "Ortega", "Ortiz", "Pacheco", "Peña", "Pérez", "Quiñones", "Ramírez", "Ramos", "Reyes", "Ríos",
            "Rivera", "Rodríguez", "Rojas", "Ruiz", "Salazar", "Sánchez", "Sandoval", "Santos", "Solís",
            "Soto", "Torres", "Treviño", "Valdés", "Vargas", "Vásquez", "Vega", "Villaseñor", "Zúñiga",
        ],
    },
    Tradition {
        weight: 70,
        girls: &[
            "An", "Bích Ngọc", "Diễm", "Hạnh", "Hồng", "Khánh Linh", "Lan", "Mai", "Minh Châu", "Mỹ Duyên",
            "Ngọc", "Phương", "Quỳnh", "Thảo", "Thu", "Trâm Anh", "Tuyết", "Vy", "Yến",
        ],
        boys: &[
            "Anh Tuấn", "Bảo", "Đạt", "Đức", "Duy", "Hải", "Hiếu", "Hoàng", "Hùng", "Khoa", "Long", "Minh",
            "Nam", "Phúc", "Quang", "Sơn", "Thành", "Thiện", "Tùng", "Việt",
        ],
        surnames: &[
            "Bùi", "Đặng", "Đinh", "Đỗ", "Dương", "Hồ", "Hoàng", "Huỳnh", "Lê", "Lý", "Mai", "Ngô", "Nguyễn",
            "Phạm", "Phan", "Tô", "Trần", "Trịnh", "Võ", "Vũ",
        ],
    },
    Tradition {
        weight: 60,
        girls: &[
            "Ai", "Fang", "Hui", "Jia Yi", "Jing", "Lan", "Li Hua", "Ling", "Mei", "Min", "Ning", "Ping",
            "Qing", "Shu Fen", "Ting", "Wei", "Xiao-Ling", "Xin Yi", "Yan", "Ying", "Yu-Chen", "Yue",
        ],
        boys: &[
            "Bo", "Chang", "Cheng", "Da-Wei", "Feng", "Gang", "Hao", "Hao Yu", "Jian", "Jun", "Kai", "Lei",
            "Liang", "Ming", "Peng", "Qiang", "Rui", "Tao", "Wen", "Xiang", "Yi", "Zhi-Hao",
        ],
        surnames: &[
            "Au-Yeung", "Cai", "Chan", "Chen", "Cheung", "Chiu", "Deng", "Fan", "Fong", "Gao", "Guo", "Ho",
            "Hsu", "Huang", "Jiang", "Kwan", "Lam", "Li", "Lin", "Liu", "Lü", "Ma", "Ouyang", "Pan", "Shi",
            "Sun", "Tang", "Tsai", "Wang", "Wong", "Wu", "Xie", "Xu", "Yang", "Yu", "Zhang", "Zhao", "Zhou",
            "Zhu",
        ],
    },
    Tradition {
        weight: 60,
        girls: &[
            "Aisha", "Amal", "Amina", "Dalal", "Fatima", "Hala", "Huda", "Jamila", "Khadija", "Laila",
            "Lina", "Mariam", "Nadia", "Noor", "Rania", "Salma", "Samira", "Yasmin", "Zahra", "Zaynab",
        ],
        boys: &[
            "Abdul Rahman", "Ahmad", "Ali", "Bilal", "Faisal", "Hamza", "Hassan", "Ibrahim", "Idris",
            "Jamal", "Karim", "Khalid", "Mohammed", "Mustafa", "Omar", "Rashid", "Salim", "Tariq", "Yusuf",
            "Zayd",
        ],
        surnames: &[
            "Abdi", "Abu-Hassan", "Al-Amin", "al-Farsi", "Al-Khatib", "Bakri", "Ben Salah", "Darwish",
            "El-Masri", "El Sayed", "Farah", "Haddad", "Hakim", "Hussein", "Ibn Yahya", "Jaber", "Khalil",
            "Mansour", "Nasser", "Qasim", "Rahman", "Saleh", "Warsame", "Zaki",
        ],
    },
    Tradition {
        weight: 50,
        girls: &[
            "Aditi", "Ananya", "Anjali", "Diya", "Gurleen", "Harpreet", "Ishita", "Jasleen", "Kavya",
            "Lakshmi", "Meera", "Nisha", "Pooja", "Priya", "Riya", "Saanvi", "Simran", "Sunita", "Tara",
            "Uma",
        ],
        boys: &[
            "Aarav", "Aditya", "Arjun", "Dev", "Gurpreet", "Harjit", "Ishaan", "Jaspreet", "Karthik",
            "Krishna", "Manpreet", "Nikhil", "Pranav", "Rahul", "Ravi", "Rohan", "Sanjay", "Siddharth",
            "Venkata Ramana", "Vikram",
        ],
        surnames: &[
            "Agarwal", "Ahluwalia", "Banerjee", "Bhatt", "Chaudhary", "D'Souza", "Dhillon", "Gill",
            "Grewal", "Gupta", "Iyer", "Joshi", "Kapoor", "Kaur", "Krishnamurthy", "Kumar", "Mehta",
            "Mukherjee", "Nair", "Patel", "Rao", "Reddy", "Sandhu", "Sharma", "Sidhu", "Singh",
            "Subramanian", "Venkataraghavan", "Verma",
        ],
    },
    Tradition {
        weight: 40,
        girls: &[
            "Agnieszka", "Anastasia", "Božena", "Daria", "Dorota", "Halyna", "Irina", "Jelena", "Kateřina",
            "Ksenia", "Lenka", "Ljubica", "Małgorzata", "Milica", "Oksana", "Olena", "Svitlana", "Tatiana",
            "Věra", "Zofia", "Žaneta",
        ],
        boys: &[
            "Aleksandar", "Bogdan", "Borys", "Dmytro", "Dragan", "Grzegorz", "Ihor", "Jiří", "Ladislav",
            "Łukasz", "Maksim", "Mirosław", "Nikola", "Ondřej", "Pavel", "Radovan", "Sergei", "Stanisław",
            "Vít", "Wojciech", "Željko",
        ],
        surnames: &[
            "Bielak", "Błaszczyk", "Černý", "Dvořák", "Ivanenko", "Jovanović", "Kovač", "Kowalczyk",
            "Kravets", "Król", "Lysenko", "Marić", "Melnyk", "Nowak", "Ostrowski", "Pavlović", "Petrov",
            "Popescu", "Řezníček", "Šimić", "Sokolov", "Szczepański", "Tkachenko", "Višnjić", "Wójcik",
            "Żuraw",
        ],
    },
    Tradition {
        weight: 40,
        girls: &[
            "Abena", "Adaeze", "Adwoa", "Amara", "Ayodele", "Chiamaka", "Ebele", "Efua", "Folake", "Ifeoma",
            "Makena", "Ngozi", "Nneka", "Oluwaseun", "Simisola", "Tẹ́miládé", "Wanjiru", "Yewande",
            "Zawadi",
        ],
        boys: &[
            "Ayo", "Babajide", "Chidi", "Chukwuemeka", "Emeka", "Femi", "Ikenna", "Jabari", "Kofi",
            "Kwabena", "Kwame", "Mensah", "Obinna", "Olumide", "Ọládélé", "Segun", "Sekou", "Tunde",
            "Uchenna",
        ],
        surnames: &[
            "Abiodun", "Achebe", "Adebayo", "Adeyemi", "Agyeman", "Akinwande", "Asante", "Boateng",
            "Diallo", "Eze", "Kamau", "Kone", "Mbeki", "N'Diaye", "N'Guessan", "Nwosu", "Obi", "Okafor",
            "Okonkwo", "Olusegun-Bello", "Onyango", "Oyelaran", "Sesay", "Traoré",
        ],
    },
    Tradition {
        weight: 30,
        girls: &[
            "Aoife", "Bríd", "Caoimhe", "Ciara", "Clíodhna", "Fionnuala", "Gráinne", "Niamh", "Nuala",
            "Órla", "Róisín", "Sadhbh", "Saoirse", "Siobhán", "Sinéad", "Úna",
        ],
        boys: &[
            "Aidan", "Breandán", "Cathal", "Ciarán", "Conall", "Cormac", "Donnacha", "Eoin", "Fionn",
            "Oisín", "Pádraig", "Ronan", "Ruairí", "Séamus", "Seán", "Tadhg",
        ],
        surnames: &[
            "Fitzgerald", "Mac Giolla", "MacCarthy", "McBride", "Mc Donagh", "Ní Bhriain", "Ó Briain",
            "Ó Sé", "O'Brien", "O'Connor", "O'Doherty", "O'Grady", "O'Hara", "O\u{2019}Malley", "O'Neill",
            "O'Shaughnessy",
        ],
    },
    Tradition {
        weight: 25,
        girls: &[
            "Åsa", "Astrid", "Birgitta", "Brynhildur", "Elín", "Frøya", "Greta", "Gudrun", "Ingrid",
            "Kirsten", "Liv", "Maj-Britt", "Sigrid", "Solveig", "Synnøve",
        ],
        boys: &[
            "Anders", "Bjørn", "Erik", "Gunnar", "Håkon", "Jens", "Jörg", "Lars", "Leif", "Magnus", "Nils",
            "Ólafur", "Øyvind", "Sören", "Torbjörn", "Þór",
        ],
        surnames: &[
            "Åkesson", "Ásgeirsdóttir", "Bäckström", "Bjørnstad", "Götz", "Groß", "Hjörvarsson", "Jürgens",
            "Lindqvist", "Müller", "Nørgaard", "Ødegård", "Schröder", "Sjöberg", "Strömberg",
            "von der Heide", "Weiß",
        ],
    },
    Tradition {
        weight: 20,
        girls: &[
            "Adèle", "Aurélie", "Béatrice", "Cécile", "Chloé", "Eugénie", "Françoise", "Geneviève",
            "Hélène", "Inès", "Léa", "Maëlle", "Marie-Claire", "Noëlle", "Thaïs", "Zoë",
        ],
        boys: &[
            "André", "Benoît", "Étienne", "François", "Gérard", "Jean-Luc", "Joël", "Loïc", "Mathéo",
            "Noël", "Raphaël", "Rémy", "Théo", "Yaël", "Yves",
        ],
        surnames: &[
            "Beaupré", "Côté", "D'Amboise", "Désir", "Dubois", "Étienne", "Fortin", "Gagné", "L'Heureux",
            "Lefèvre", "Léger", "Pelletier", "Saint-Fleur", "Séguin", "Tremblay-Lévesque",
        ],
    },
    Tradition {
        weight: 15,
        girls: &[
            "Alana", "Kai\u{02BB}iulani", "Kalena", "Keala", "Leilani", "Malia", "Māhealani", "Moana",
            "Noelani", "Sina",
        ],
        boys: &["Ikaika", "Kahiau", "Kaleo", "Kanoa", "Kekoa", "Makoa", "Manu", "Nalu", "Sione", "Tāne"],
        surnames: &[
            "Fa\u{02BB}asavalu", "Fonoti", "Ka\u{02BB}aihue", "Kahananui", "Kealoha", "Leota", "Māhoe",
            "Ng\u{0101}ta", "Tui\u{02BB}one", "Vea",
        ],
    },
];

/// First halves of put-together English surnames.
#[rustfmt::skip]
pub(crate) const FRONTS: &[&str] = &[
    "Ald", "Amber", "Apple", "Arle", "Ash", "Aspen", "Barn", "Beck", "Birch", "Black", "Bower", "Bracken",
    "Bram", "Bright", "Broad", "Brook", "Cald", "Cedar", "Chal", "Clay", "Cold", "Crans", "Dale", "Dun",
    "East", "Elder", "Elm", "Fair", "Fern", "Glen", "Gold", "Good", "Gran", "Hare", "Hart", "Hather",
    "Hazel", "Heather", "Hol", "Hunt", "Ing", "Kings", "Lang", "Lark", "Leigh", "Lin", "Long", "Mar", "Mead",
    "Mill", "Moor", "New", "North", "Oak", "Orchard", "Pen", "Quarry", "Raven", "Red", "Rock", "Rush",
    "Sand", "Shel", "Silver", "Stan", "Swan", "Thorn", "Wal", "West", "Whit", "Wild", "Win", "Wood", "Wren",
];

/// Second halves of put-together English surnames.
#[rustfmt::skip]
pub(crate) const BACKS: &[&str] = &[
    "acre", "bank", "beck", "bourne", "bridge", "brook", "burn", "bury", "by", "combe", "cott", "croft",
    "dale", "den", "er", "field", "ford", "gate", "ham", "hill", "house", "hurst", "ington", "land", "leigh",
    "ley", "low", "man", "mere", "more", "ridge", "rick", "shaw", "smith", "stead", "stone", "ton", "tree",
    "wald", "ward", "way", "well", "wick", "win", "wood", "worth",
];

/// Names that are one name only, kept in the family name's place.
pub(crate) const MONONYMS: &[&str] =
    &["Anggraeni", "Budiarto", "Mehrdokht", "Sukarsono", "Suharyati", "Thiha", "Wulandari", "Zarmina"];

/// Given and family names too long for most library systems.
pub(crate) const LONG_NAMES: &[(&str, &str)] = &[
    (
        "Maximiliana Wilhelmina Theodora-Henrietta",
        "Featherstonehaugh-Cholmondeley de Montmorency-Wrathington",
    ),
    ("Chrysanthemum-Persephone Alexandrina", "Papadiamantopoulos-Hadjikyriakos Konstantinopoulou"),
    (
        "Venkatanarasimharajuvaripeta Satyanarayana",
        "Thiruvananthapuram Lakshminarasimhachari Venkatasubramanian",
    ),
];

/// Names in other scripts, as a few districts send them.
pub(crate) const OTHER_SCRIPTS: &[(&str, &str)] = &[
    ("小明", "王"),
    ("美玲", "陳"),
    ("さくら", "田中"),
    ("민준", "김"),
    ("Олена", "Шевчук"),
    ("Дмитрий", "Козлов"),
    ("Ελένη", "Παπαδάκη"),
    ("ليلى", "حداد"),
    ("נועה", "לוי"),
    ("प्रिया", "शर्मा"),
    ("ሰላም", "ተስፋዬ"),
    ("Անի", "Պետրոսյան"),
];

/// What follows a surname, in the family name's column as some student systems write it.
pub(crate) const SUFFIXES: &[&str] = &[" Jr.", ", Jr.", " II", " III", " IV"];

/// Street names.
#[rustfmt::skip]
pub(crate) const STREETS: &[&str] = &[
    "Acorn", "Alder", "Almond", "Arroyo Seco", "Aspen", "Bayberry", "Beech", "Blackbird", "Blossom",
    "Bluebell", "Buckeye", "Canal", "Cañada Verde", "Cherry", "Chestnut", "Church", "Clover", "College",
    "Coral", "Cottonwood", "Creekside", "Cypress", "Dogwood", "Eagle Nest", "East Main", "Elderberry",
    "Fairview", "Falcon", "Farm", "Fig", "Garden", "Granite", "Harvest", "Hawthorn", "Hickory", "Hillside",
    "Jasmine", "Juniper", "Kestrel", "Lakeview", "Larkspur", "Laurel", "Lavender", "Linden", "Locust",
    "Magnolia", "Maple", "Martin Luther King Jr.", "Meadow", "Mill", "Mockingbird", "Mulberry", "Oak",
    "Old Mill", "Olive", "Orchard", "Paseo del Río", "Peach", "Pear", "Pine", "Plum", "Pond", "Poplar",
    "Prospect", "Quail Hollow", "Railroad", "Redwood", "Ridge", "River", "Rosewood", "Sage", "Schoolhouse",
    "Sparrow", "Spring", "St. Mary's", "Station", "Sycamore", "Tulip", "Union", "Vine", "Walnut", "Water",
    "West Main", "Willow", "Windmill",
];

/// Kinds of street.
#[rustfmt::skip]
pub(crate) const STREET_KINDS: &[&str] =
    &["St", "St", "St", "Ave", "Ave", "Dr", "Ln", "Rd", "Ct", "Way", "Blvd", "Pl", "Cir"];

/// Towns of the district with their ZIP codes: codes that no post office uses, and that lose their zeros in a spreadsheet.
pub(crate) const TOWNS: &[(&str, &[&str])] = &[
    ("Larkfield", &["00011", "00012", "00013"]),
    ("Cedar Hollow", &["00021", "00022"]),
    ("San Tadeo", &["00031", "00032"]),
    ("Millbrae Falls", &["00041"]),
    ("O'Dell", &["00051"]),
    ("La Cañada Baja", &["00061"]),
];

/// First words of school names.
#[rustfmt::skip]
pub(crate) const SCHOOL_FIRST: &[&str] = &[
    "Alder", "Bella", "Canyon", "Cedar", "Clear", "Copper", "Cottonwood", "Coyote", "Eagle", "Elm", "Fern",
    "Fox", "Golden", "Granite", "Harvest", "Heron", "Indigo", "Juniper", "Lark", "Laurel", "Little",
    "Maple", "Meadow", "Mesa", "Mission", "Oak", "Orchard", "Pine", "Prairie", "Quail", "Red", "River",
    "Sage", "Silver", "Spring", "Sunny", "Valley", "Walnut", "Willow", "Wind",
];

/// Second words of school names.
#[rustfmt::skip]
pub(crate) const SCHOOL_SECOND: &[&str] = &[
    "Bend", "Bluff", "Bridge", "Brook", "Canyon", "Creek", "Crest", "Crossing", "Falls", "Farm", "Field",
    "Ford", "Gate", "Glen", "Grove", "Harbor", "Haven", "Heights", "Hill", "Hollow", "Knoll", "Lake",
    "Landing", "Meadow", "Park", "Pass", "Point", "Ranch", "Ridge", "Rock", "Run", "Shore", "Slope",
    "Terrace", "Trail", "Vale", "View", "Vista", "Wood", "Yard",
];
